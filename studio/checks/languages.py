"""Which language a text is in: by its script, and for Latin script by its most frequent words. Nothing is downloaded.

Some fifteen words of a text are enough; shorter texts and code stay undecided, which is better than a wrong answer.
"""

import re
from collections import Counter

_LOOKED_AT_CHARACTERS, _LOOKED_AT_WORDS = 400, 50
_LEAST_HITS = 3
# Four signs of Chinese say as much as a sentence's words.
_LEAST_SIGNS = 4
# The words that a page of each language has most, those that two languages share left to both.
_FREQUENT = {
    "English": "the of and to in is that it for was with as be on not this are by have from you or which an they what",
    "German": "der die und das nicht ist von sie mit dem des ein eine auf für den im zu sich als auch es wird wir ich",
    "French": "le la les des et est une dans que pour qui sur pas plus avec ce par vous nous sont il elle du un au",
    "Spanish": "el la los las que y en un una por con para es se del no lo como más pero sus al está muy qué",
    "Italian": "il di che la un una per non sono è della con del si da nel gli le alla anche come più questo dei",
    "Portuguese": "o os que e do da em um uma para com não é no na por mais dos as se como ao foi você são",
    "Dutch": "de het een en van ik te dat die in niet zijn is op aan met voor er maar om wat je naar ook wordt",
    "Polish": "nie się na jest że do to z w co jak tak po przez dla są od czy ale już oraz które tylko jego",
    "Swedish": "och att det som en är på av för den till inte med om har jag ett han kan de var från vi du",
    "Turkish": "ve bir bu için de da ile çok olarak daha ne gibi var en ama olan kadar sonra değil ki ben",
    "Czech": "se na je že to v s z do jako by ale pro jsem od jsou už po tak co při byl nebo které",
    "Romanian": "și de la în nu că pe este cu un o care să se din pentru mai ce sunt au fost ca al",
    "Finnish": "ja on ei se että oli hän mutta ovat kun niin myös mitä joka tai sen voi ole kuin jos",
}
# First and last code point of a script, and what is written in it; the first that holds a quarter of the letters wins.
_SCRIPTS = (
    ("Japanese", 0x3040, 0x30FF),
    ("Korean", 0xAC00, 0xD7AF),
    ("Chinese", 0x4E00, 0x9FFF),
    ("Cyrillic", 0x0400, 0x052F),
    ("Greek", 0x0370, 0x03FF),
    ("Arabic", 0x0600, 0x06FF),
    ("Hebrew", 0x0590, 0x05FF),
    ("Hindi", 0x0900, 0x097F),
    ("Thai", 0x0E00, 0x0E7F),
)
_UKRAINIAN = re.compile("[іїєґ]")
_LANGUAGES = list(_FREQUENT)


def language_of(normal_text: str) -> str:
    """Its language, or nothing if that is not clear; Cyrillic is Russian unless it has letters of Ukrainian."""
    beginning = normal_text[:_LOOKED_AT_CHARACTERS]
    if not beginning.isascii() and (script := _script_of(beginning)):
        if script == "Cyrillic":
            return "Ukrainian" if _UKRAINIAN.search(beginning) else "Russian"
        return script
    return _by_words(beginning)


def _by_words(text: str) -> str:
    found = Counter([_SETS[word] for word in set(text.split(None, _LOOKED_AT_WORDS)) if word in _SETS])
    if not found:
        return ""
    hits = [0] * len(_LANGUAGES)
    for languages, count in found.items():
        for language in languages:
            hits[language] += count
    *_, next_most, most = sorted(hits)
    return _LANGUAGES[hits.index(most)] if most >= _LEAST_HITS and most >= 1.5 * next_most else ""


def _sets_by_word() -> dict[str, tuple[int, ...]]:
    """The languages that have each word among their most frequent ones, by place."""
    known: dict[str, tuple[int, ...]] = {}
    for place, words in enumerate(_FREQUENT.values()):
        for word in words.split():
            known[word] = (*known.get(word, ()), place)
    return known


def _script_of(text: str) -> str:
    # Beyond the Latin letters with accents; most texts have none, and are done here.
    foreign = [ord(letter) for letter in text if letter > "\u024f" and letter.isalpha()]
    least = max(sum(map(str.isalpha, text)) / 4, _LEAST_SIGNS) if foreign else 0
    if len(foreign) < least / 2 or not foreign:
        return ""
    for name, first, last in _SCRIPTS:
        share = sum(1 for letter in foreign if first <= letter <= last)
        # Japanese is recognised by its syllables, of which there are fewer than Chinese signs.
        if share and share >= (least / 2 if name == "Japanese" else least):
            return name
    return ""


_SETS = _sets_by_word()
