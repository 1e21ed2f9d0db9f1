"""The fixed words that all papers share, and how a language's are found. Another language is one more column."""
# ruff: noqa: RUF001 - French has the apostrophe that is no letter of a program

from collections.abc import Mapping

LANGUAGES = ("en", "fr", "sw")

Table = Mapping[str, tuple[str, str, str]]

_SHARED: Table = {
    "lang": LANGUAGES,
    "customer_id": ("Customer ID", "Identifiant client", "Nambari ya mteja"),
    "description": ("Description", "Description", "Maelezo"),
    "payment_method": ("Paid by", "Moyen de paiement", "Njia ya malipo"),
    "payment_reference": ("Payment reference", "Référence du paiement", "Kumbukumbu ya malipo"),
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


def words_in(language: str, own: Table) -> dict[str, str]:
    """A paper's own words and those of all papers, in this language; in English where there is no column for it."""
    column = LANGUAGES.index(language) if language in LANGUAGES else 0
    return {name: row[column] for name, row in {**_SHARED, **own}.items()}


def method_in(words: Mapping[str, str], method: str) -> str:
    """How somebody paid; as it is called where there are no words for it."""
    called = method.replace("_", " ")
    return words.get(f"method.{method}", called[:1].upper() + called[1:])
