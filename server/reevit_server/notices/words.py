"""The fixed words of notices, beside those that all papers share."""
# ruff: noqa: RUF001 - French has the apostrophe that is no letter of a program

from reevit_server.core import paper_words

# Into {seller} comes the merchant's name, into {amount} money, into {day} a day, into {count} a number.
_WORDS: paper_words.Table = {
    "receipt": ("Receipt", "Reçu", "Risiti"),
    "receipt_number": ("Receipt number", "Numéro de reçu", "Nambari ya risiti"),
    "received_from": ("Received from", "Reçu de", "Imepokelewa kutoka kwa"),
    "amount_paid": ("Amount paid", "Montant payé", "Kiasi kilicholipwa"),
    "date": ("Date", "Date", "Tarehe"),
    "customer": ("Customer", "Client", "Mteja"),
    "method": ("Payment method", "Moyen de paiement", "Njia ya malipo"),
    "reason": ("Reason", "Motif", "Sababu"),
    "next_try": ("Next try", "Prochain essai", "Jaribio lijalo"),
    "plan": ("Plan", "Forfait", "Mpango"),
    "renews": ("Renews", "Renouvellement", "Husasishwa"),
    "point": ("{name}: {value}", "{name} : {value}", "{name}: {value}"),
    "status.receipt": ("Paid", "Payé", "Imelipwa"),
    "status.payment_failed": ("Not paid", "Non payé", "Haijalipwa"),
    "status.renewal_upcoming": ("Coming up", "À venir", "Inakuja"),
    "subject.receipt": (
        "Your receipt from {seller}: {amount}",
        "Votre reçu de {seller} : {amount}",
        "Risiti yako kutoka {seller}: {amount}",
    ),
    "subject.payment_failed": (
        "Your payment of {amount} to {seller} did not go through",
        "Votre paiement de {amount} à {seller} n’a pas abouti",
        "Malipo yako ya {amount} kwa {seller} hayakufaulu",
    ),
    "subject.renewal_upcoming": (
        "Your subscription with {seller} renews on {day}",
        "Votre abonnement chez {seller} se renouvelle le {day}",
        "Usajili wako kwa {seller} utasasishwa tarehe {day}",
    ),
    "lead.receipt": (
        "Thank you. {seller} has received your payment.",
        "Merci. {seller} a bien reçu votre paiement.",
        "Asante. {seller} imepokea malipo yako.",
    ),
    "lead.payment_failed": (
        "Your payment to {seller} did not go through.",
        "Votre paiement à {seller} n’a pas abouti.",
        "Malipo yako kwa {seller} hayakufaulu.",
    ),
    "lead.renewal_upcoming": (
        "Your subscription with {seller} renews on {day}. This amount will be charged then.",
        "Votre abonnement chez {seller} se renouvelle le {day}. Ce montant sera prélevé ce jour-là.",
        "Usajili wako kwa {seller} utasasishwa tarehe {day}. Kiasi hiki kitatozwa siku hiyo.",
    ),
    "again": (
        "It will be tried again on {day}. Please make sure that the money is there by then.",
        "Une nouvelle tentative aura lieu le {day}. Veillez à ce que la somme soit disponible d’ici là.",
        "Malipo yatajaribiwa tena tarehe {day}. Tafadhali hakikisha pesa zipo kufikia siku hiyo.",
    ),
    "get_in_touch": (
        "Please get in touch with {seller} to pay in another way.",
        "Veuillez contacter {seller} pour payer autrement.",
        "Tafadhali wasiliana na {seller} ili kulipa kwa njia nyingine.",
    ),
    "pay_now": ("Pay now", "Payer maintenant", "Lipa sasa"),
    "test_mode_ahead": (
        "Test mode: no money will move.",
        "Mode test : aucun argent ne circulera.",
        "Hali ya majaribio: hakuna pesa zitakazolipwa.",
    ),
    "every.daily": ("Every day", "Tous les jours", "Kila siku"),
    "every.weekly": ("Every week", "Toutes les semaines", "Kila wiki"),
    "every.monthly": ("Every month", "Tous les mois", "Kila mwezi"),
    "every.yearly": ("Every year", "Tous les ans", "Kila mwaka"),
    "every_so_many.daily": ("Every {count} days", "Tous les {count} jours", "Kila siku {count}"),
    "every_so_many.weekly": ("Every {count} weeks", "Toutes les {count} semaines", "Kila wiki {count}"),
    "every_so_many.monthly": ("Every {count} months", "Tous les {count} mois", "Kila miezi {count}"),
    "every_so_many.yearly": ("Every {count} years", "Tous les {count} ans", "Kila miaka {count}"),
    # Those of an SMS are of letters that the GSM alphabet has: not ç, ê, î or ô.
    "sms.from": ("{seller}: ", "{seller} : ", "{seller}: "),
    "sms.receipt": (
        "We received {amount} on {day}.",
        "Paiement de {amount} encaissé le {day}.",
        "Tumepokea {amount} tarehe {day}.",
    ),
    "sms.reference": ("Ref. {reference}.", "Réf. {reference}.", "Kumb. {reference}."),
    "sms.thanks": ("Thank you.", "Merci.", "Asante."),
    "sms.payment_failed": (
        "Your payment of {amount} did not go through.",
        "Votre paiement de {amount} a échoué.",
        "Malipo yako ya {amount} hayakufaulu.",
    ),
    "sms.again": (
        "It will be tried again on {day}.",
        "Nouvel essai le {day}.",
        "Yatajaribiwa tena tarehe {day}.",
    ),
    "sms.get_in_touch": (
        "Please contact us to pay.",
        "Merci de nous contacter pour payer.",
        "Tafadhali wasiliana nasi ili kulipa.",
    ),
    "sms.pay": ("Pay: {url}", "Payer : {url}", "Lipa: {url}"),
    "sms.renewal_upcoming": (
        "Your subscription renews on {day}: {amount}.",
        "Votre abonnement se renouvelle le {day} : {amount}.",
        "Usajili wako utasasishwa tarehe {day}: {amount}.",
    ),
    "sms.money": ("{currency} {number}", "{number} {currency}", "{currency} {number}"),
    "sms.test": ("TEST. ", "TEST. ", "MAJARIBIO. "),
}


def words_in(language: str) -> dict[str, str]:
    """The words in this language, or in English where there is no column for it."""
    return paper_words.words_in(language, _WORDS)
