"""The fixed words of an invoice on paper, beside those that all papers share."""

from reevit_server.core import paper_words

_WORDS: paper_words.Table = {
    "invoice": ("Invoice", "Facture", "Ankara"),
    "bill_to": ("Bill to", "Facturé à", "Mteja"),
    "issued": ("Issued", "Date d’émission", "Tarehe ya ankara"),
    "due": ("Due", "Échéance", "Tarehe ya malipo"),
    "paid": ("Paid", "Payé", "Kilicholipwa"),
    "period": ("Period", "Période", "Kipindi"),
    "amount": ("Amount", "Montant", "Kiasi"),
    "total": ("Total", "Total", "Jumla"),
    "refunded": ("Refunded", "Remboursé", "Kilichorudishwa"),
    "amount_due": ("Amount due", "Montant à payer", "Kiasi kinachodaiwa"),
    "due_on": ("Due on {day}", "À payer au plus tard le {day}", "Ilipwe ifikapo {day}"),
    "paid_on": ("Paid on {day}", "Payé le {day}", "Imelipwa tarehe {day}"),
    "status.draft": ("Draft", "Brouillon", "Rasimu"),
    "status.due": ("Due", "À payer", "Inasubiri malipo"),
    "status.paid": ("Paid", "Payée", "Imelipwa"),
    "status.failed": ("Payment failed", "Échec du paiement", "Malipo hayakufaulu"),
    "status.canceled": ("Canceled", "Annulée", "Imeghairiwa"),
    "note.failed": (
        "The payment did not go through. This amount is still to be paid.",
        "Le paiement n’a pas abouti. Ce montant reste à payer.",
        "Malipo hayakukamilika. Kiasi hiki bado hakijalipwa.",
    ),
    "note.canceled": (
        "This invoice is canceled. There is nothing to pay.",
        "Cette facture est annulée. Il n’y a rien à payer.",
        "Ankara hii imeghairiwa. Hakuna cha kulipa.",
    ),
}


def words_in(language: str) -> dict[str, str]:
    """The words in this language, or in English where there is no column for it."""
    return paper_words.words_in(language, _WORDS)
