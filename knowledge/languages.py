"""Which language a text is in: by its script, and among the languages of one script by their small words.

No package and no model: a text of a few sentences has enough of both, and a wrong guess costs a word's stem.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache

LOOKED_AT = 20_000  # characters
LEAST = 0.05  # of the words, that must be small words of one language

SMALL_WORDS = {
    "ca": "els les amb per que una com però més aquest aquesta són dels també entre fins quan molt està seva",
    "cs": "je se na že jsou jako podle nebo ale také by který která které bylo byl jsem po pro ze při tak není",
    "da": "og det er en til på af for ikke med der den har som de et vi kan var fra skal blev efter også hvad",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er "
    "hat dass sie nach wird bei einer um am sind noch wie einem über so zum war wer was wann wo welche",
    "en": "the of and to in a is that it was for on are as with his they at be this from have or by one had not but "
    "what were when your can said there which do their if will how he who where did why does an",
    "es": "de la que el en y los del se las por un para con no una su al lo como más pero sus le ya este cuando esta "
    "son qué cómo dónde cuál fue es muy sobre también",
    "fi": "ja on ei se että oli hän mutta ovat kun tai niin myös joka kuin vain ole sen mitä jos mukaan olla jotka",
    "fr": "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec son aux "
    "d l cette ou leur elle mais quel quelle comment où été",
    "hu": "a az és hogy nem is egy ez meg csak volt de el már van azt mint még ha vagy kell mert amely ki lehet",
    "id": "yang dan di dengan untuk pada dari ini tidak dalam adalah itu akan ke oleh sebagai juga atau apa bisa",
    "it": "di e il che la in a per è un non una del si con i da le della sono dei nel al come più alla gli anche ha "
    "lo dal cosa quale dove quando perché stato",
    "nl": "de van het een en in is dat op te zijn met voor niet aan er die om ook als dan maar bij of uit naar wordt "
    "door heeft was wat hoe waar werd kunnen kan worden binnen deze dit geen ze",
    "no": "og i det er på til som en for av med ikke at har den var et de fra om kan vi ble skal etter også hva men",
    "pl": "i w na z do się nie to że jest jak o po co za od ale przez dla są czy tym ma był była który które jego",
    "pt": "de que o e do da em um para com não uma os no se na por mais as dos como mas ao foi ele das à seu sua ou "
    "são também qual onde quando pelo pela",
    "ro": "și de în la a cu pe nu că este din un o să care mai pentru sau sunt ce fost au se prin dar unde când",
    "sv": "och i att det som en på är av för med den till inte har de om ett han var jag från men vi kan så eller vad",
    "tr": "ve bir bu için ile da de olarak çok daha olan gibi ne kadar en mi var sonra ise değil ama nasıl hangi",
}
_SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "CJK": "zh",
    "HANGUL": "ko",
    "THAI": "th",
    "LAO": "lo",
    "KHMER": "km",
    "MYANMAR": "my",
    "CYRILLIC": "ru",
    "GREEK": "el",
    "ARABIC": "ar",
    "HEBREW": "he",
    "DEVANAGARI": "hi",
    "TAMIL": "ta",
    "BENGALI": "bn",
    "ARMENIAN": "hy",
    "GEORGIAN": "ka",
}
_BY_LETTER = (("ru", "іїєґ", "uk"), ("ru", "ђћџљњ", "sr"), ("ar", "پچژگ", "fa"), ("ar", "ٹڈےں", "ur"))
_WORD = re.compile(r"[^\W\d_]+")


@cache
def _script(character: str) -> str:
    return unicodedata.name(character, "").split(" ")[0].split("-")[0]


def detect(text: str) -> str:
    """The language most of a text is in, as its ISO 639-1 code; "" where nothing tells."""
    words = _WORD.findall(text[:LOOKED_AT].casefold())
    scripts = Counter(_script(character) for word in words for character in word)
    if not scripts:
        return ""
    if scripts["HIRAGANA"] + scripts["KATAKANA"] > 0.1 * scripts.total():
        return "ja"  # written with Chinese characters too, but never for long without its own
    script = max(scripts, key=lambda name: scripts[name])
    if script == "LATIN":
        return _by_small_words(words)
    language = _SCRIPTS.get(script, "")
    letters = set("".join(words))
    return next((other for of, own, other in _BY_LETTER if of == language and letters & set(own)), language)


def is_small(word: str, language: str) -> bool:
    """Whether a word is one of a language's small ones, which say nothing of what a text is about."""
    return word in _small_words().get(language, ())


def _by_small_words(words: list[str]) -> str:
    counted = Counter(words)
    seen = {
        language: sum(weight * counted[word] for word, weight in small.items())
        for language, small in _small_words().items()
    }
    best = max(seen, key=lambda language: seen[language])
    return best if seen[best] > LEAST * len(words) else ""


@cache
def _small_words() -> dict[str, dict[str, float]]:
    """Each language's small words; one that several languages have says less of each."""
    known = {language: set(words.split()) for language, words in SMALL_WORDS.items()}
    shared = Counter(word for words in known.values() for word in words)
    return {language: {word: shared[word] ** -0.5 for word in words} for language, words in known.items()}
