"""Small changes after which a text still means the same."""

import random
from collections.abc import Callable

_BEFORE = ("Please: ", "Hello! ", "Hi, ", "Could you tell me: ", "Hey, please: ")
_AFTER = (" Thanks!", " Thank you.", " Please!", " Thanks a lot!", " Kind regards.")
_SYNONYMS = {
    "bought": "purchased",
    "repaired": "mended",
    "quiet": "calm",
    "broken": "damaged",
    "old": "ancient",
    "sold": "traded",
    "school": "academy",
    "text": "passage",
    "customer": "client",
    "letter": "note",
    "take": "bring",
    "keeps": "retains",
    "forest": "wood",
    "market": "bazaar",
}


def edited(chance: random.Random, text: str) -> str:
    """An edit that suits the length: words are exchanged or added only in longer texts."""
    edits: list[Callable[[random.Random, str], str]] = [_punctuated, _courteous, _mistyped]
    if len(text.split()) >= 25:
        edits += [_reworded, _longer, _shorter]
    for _ in range(20):
        changed = chance.choice(edits)(chance, text)
        if "".join(changed.lower().split()) != "".join(text.lower().split()):
            return changed
    return _courteous(chance, text)


def _punctuated(chance: random.Random, text: str) -> str:
    if text[-1] in ".?!" and chance.random() < 0.5:
        return text[:-1] + chance.choice(["", "...", "!!"])
    return text.replace(", ", " ").replace(". ", "; ") + ("!" if text[-1] not in "!" else "")


def _courteous(chance: random.Random, text: str) -> str:
    return chance.choice(_BEFORE) + text if chance.random() < 0.5 else text + chance.choice(_AFTER)


def _mistyped(chance: random.Random, text: str) -> str:
    """A slip in a common word: a name that is spelt otherwise may be another name."""
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if len(word) >= 5 and word.isalpha() and word.islower()]
    if not places:
        return text
    place = chance.choice(places)
    word, at = words[place], chance.randint(1, len(words[place]) - 2)
    slips = [
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    ]
    words[place] = chance.choice(slips)
    return " ".join(words)


def _reworded(chance: random.Random, text: str) -> str:
    known = [word for word in text.split() if word in _SYNONYMS]
    if not known:
        return text
    word = chance.choice(known)
    return text.replace(f" {word} ", f" {_SYNONYMS[word]} ", 1)


def _longer(chance: random.Random, text: str) -> str:
    words = text.split(" ")
    words.insert(
        chance.randint(5, len(words) - 2), chance.choice(["indeed", "clearly", "perhaps", "apparently", "then"])
    )
    return " ".join(words)


def _shorter(chance: random.Random, text: str) -> str:
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if word.lower() in {"the", "of", "it", "a", "in"}]
    if places:
        del words[chance.choice(places)]
    return " ".join(words)
