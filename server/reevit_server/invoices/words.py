"""The fixed words of an invoice on paper. Another language is one more column."""

_WORDS = {
    "lang": ("en", "fr", "sw"),
    "invoice": ("Invoice", "Facture", "Ankara"),
    "bill_to": ("Bill to", "Facturé à", "Mteja"),
    "customer_id": ("Customer ID", "Identifiant client", "Nambari ya mteja"),
    "issued": ("Issued", "Date d’émission", "Tarehe ya ankara"),
    "due": ("Due", "Échéance", "Tarehe ya malipo"),
    "paid": ("Paid", "Payé", "Kilicholipwa"),
    "period": ("Period", "Période", "Kipindi"),
    "description": ("Description", "Description", "Maelezo"),
    "amount": ("Amount", "Montant", "Kiasi"),
    "total": ("Total", "Total", "Jumla"),
    "refunded": ("Refunded", "Remboursé", "Kilichorudishwa"),
    "amount_due": ("Amount due", "Montant à payer", "Kiasi kinachodaiwa"),
    "due_on": ("Due on {day}", "À payer au plus tard le {day}", "Ilipwe ifikapo {day}"),
    "paid_on": ("Paid on {day}", "Payé le {day}", "Imelipwa tarehe {day}"),
    "payment_method": ("Paid by", "Moyen de paiement", "Njia ya malipo"),
    "payment_reference": ("Payment reference", "Référence du paiement", "Kumbukumbu ya malipo"),
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
    "test_mode": (
        "Test mode: no money moved.",
        "Mode test : aucun argent n’a circulé.",
        "Hali ya majaribio: hakuna pesa zilizolipwa.",
    ),
    "method.card": ("Card", "Carte bancaire", "Kadi"),
    "method.mobile_money": ("Mobile money", "Mobile money", "Pesa za simu"),
    "method.bank_transfer": ("Bank transfer", "Virement bancaire", "Uhamisho wa benki"),
    "method.cash": ("Cash", "Espèces", "Pesa taslimu"),
}
_COLUMNS = {language: column for column, language in enumerate(_WORDS["lang"])}


def words_in(language: str) -> dict[str, str]:
    """The words in this language, or in English where there is no column for it."""
    column = _COLUMNS.get(language, 0)
    return {name: row[column] for name, row in _WORDS.items()}
