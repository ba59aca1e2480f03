"""The language of a text, by its script or its commonest words: enough to choose an answer's language, and instant."""

import re

_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS = (
    ("ja", r"[\u3040-\u30ff]"), ("ko", r"[\uac00-\ud7af]"), ("zh", r"[\u4e00-\u9fff]"), ("el", r"[\u0370-\u03ff]"),
    ("uk", r"[іїєґ]"), ("ru", r"[\u0400-\u04ff]"), ("he", r"[\u0590-\u05ff]"), ("ar", r"[\u0600-\u06ff]"),
    ("th", r"[\u0e00-\u0e7f]"), ("hi", r"[\u0900-\u097f]"),
)  # fmt: skip
_COMMON = {
    "en": (
        "the and is to of a in i my for you that it was not have this me he they with please on are be his "
        "i'm don't can will no from get hi hello thanks thank we what how when paid rating client job your so "
        "at but been still has who"
    ),
    "es": (
        "el la los las de que y en un una por para con no se me mi lo del al es está pero como su muy hola "
        "gracias buenas buenos días cliente trabajo pago quiero favor muchas he ha fue tengo han ayuda le son "
        "calificación"
    ),
    "fr": (
        "le la les de des du et en un une est que qui je pour pas ne mon ma avec sur ce il au vous nous j'ai "
        "bonjour merci client mission mais cordialement sans été avez c'est dans note votre"
    ),
    "de": (
        "der die das und ist ich nicht ein eine zu den von mit für auf dem es bitte sie mich mir wir haben "
        "habe aber wurde kunde auftrag guten hallo danke grüßen bis im am bin hat beim ihre wird zur um war"
    ),
    "pt": (
        "o a os as de que e em um uma por para com não se me meu minha do da no na é mas como olá obrigado "
        "obrigada bom dia boa cliente serviço trabalho pagamento foi tenho fiz ele já nada nos vezes estava "
        "muito avaliação"
    ),
    "it": (
        "il lo la gli le di che e in un una per con non mi mio è ma come del della sono ciao grazie "
        "buongiorno cliente lavoro ho stato"
    ),
    "nl": (
        "de het een en van is niet ik dat op te voor met mijn aan je maar er zijn heb klant betaling bedankt "
        "hallo graag niet deze"
    ),
    "pl": (
        "i w nie na się jest to z do że mi mnie dzień dobry proszę dziękuję klient zlecenie ale jak od za przez mam"
    ),
}
_SETS = {lang: frozenset(words.split()) for lang, words in _COMMON.items()}
_LETTERS = {"ñ": "es", "¿": "es", "¡": "es", "ã": "pt", "õ": "pt", "ß": "de", "ł": "pl", "ż": "pl", "œ": "fr"}


def language(text: str) -> str | None:
    """The ISO 639-1 code of a text's language; English where Latin letters tell nothing; None without any word."""
    head = text[:4000].lower().replace("’", "'")
    words = _WORD.findall(head)
    if not words:
        return None
    letters = sum(map(len, words))
    for lang, script in _SCRIPTS:
        if len(re.findall(script, head)) * (8 if lang == "uk" else 3) > letters:
            return lang
    spoken = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", head)
    counts = {lang: float(sum(word in common for word in spoken)) for lang, common in _SETS.items()}
    for letter, lang in _LETTERS.items():
        counts[lang] += 1.5 * min(2, head.count(letter))
    best = max(counts, key=lambda lang: (counts[lang], lang == "en"))
    return best if counts[best] >= 1 else "en"
