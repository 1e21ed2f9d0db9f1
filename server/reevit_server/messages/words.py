"""The fixed words of the page to unsubscribe at. Another language is one more column."""
# ruff: noqa: RUF001 - French has the apostrophe that is no letter of a program

from reevit_server.core import paper_words

_WORDS: paper_words.Table = {
    "title": ("Unsubscribe", "Se désabonner", "Jiondoe"),
    "ask.title": ("Unsubscribe?", "Se désabonner ?", "Ungependa kujiondoa?"),
    "ask": (
        "You will get no more offers and news. Receipts and notices of your own payments still come.",
        "Vous ne recevrez plus d’offres ni de nouvelles. Les reçus et les avis de vos paiements continuent.",
        "Hutapokea tena matangazo na habari. Risiti na taarifa za malipo yako zitaendelea kuja.",
    ),
    "ask.button": ("Unsubscribe", "Se désabonner", "Jiondoe"),
    "done.title": ("You are unsubscribed", "Vous êtes désabonné(e)", "Umejiondoa"),
    "done": (
        "No more offers and news are sent to this address.",
        "Plus d’offres ni de nouvelles ne seront envoyées à cette adresse.",
        "Hakuna matangazo wala habari zitakazotumwa tena kwa anwani hii.",
    ),
    "done.button": ("Undo", "Annuler", "Tengua"),
    "undone.title": ("You are subscribed again", "Vous êtes de nouveau abonné(e)", "Umejiunga tena"),
    "undone": (
        "Offers and news come to this address again.",
        "Les offres et les nouvelles seront de nouveau envoyées à cette adresse.",
        "Matangazo na habari zitatumwa tena kwa anwani hii.",
    ),
    "undone.button": ("Unsubscribe", "Se désabonner", "Jiondoe"),
    "unknown.title": ("This link is not valid", "Ce lien n’est pas valide", "Kiungo hiki si sahihi"),
    "unknown": (
        "Open it from the message again; it may have been cut off.",
        "Ouvrez-le à nouveau depuis le message ; il a peut-être été coupé.",
        "Kifungue tena kutoka kwenye ujumbe; huenda kilikatwa.",
    ),
}


def words_in(language: str) -> dict[str, str]:
    """The words in this language, or in English where there is no column for it."""
    return paper_words.words_in(language, _WORDS)
