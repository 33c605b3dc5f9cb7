"""Whether two texts say nearly the same, so that one is an edited copy of the other.

Rows made from one template share most of their text and still differ in what matters: "Say 1." is not nearly "Say 2.".
So what differs is looked at first. Punctuation, courtesy and typing errors are harmless. Any other word may differ only
in a longer text, only a few of them, and only where both share passages that hardly any other row has.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher

from studio.checks.once import once
from studio.checks.words import words_of

JACCARD = 0.8
_GRAM = 5
LONG_WORDS = 12
# "Gilbert" in place of "Line" makes another question; in one of three lines it is more likely a copy.
_EXCHANGE_WORDS = 24
_DIFFERING_SHARE = 0.15
_SHARED_RARE = 4
_RARE_JACCARD = 0.5
_TYPO_LETTERS = 4
# Words between the first and the last that differ; finding which do takes time that grows with their square.
_MOST_COMPARED = 600
# How often a word must occur, and its misspelt twin at most: two words that are both used mean two things.
_USUAL, _ODD = 4, 2
_ODD_SHARE = 50
# None of two letters: "me", "so" and "us" are countries, too.
LIGHT = frozenset(
    re.findall(
        r"\w+",
        "a the please kindly thanks thank you hello hey dear greetings regards cheers just really well okay now can "
        "could would tell",
    )
)
_COURTESY = re.compile(
    r"\b(?:thanks a lot|thank you (?:so|very) much|(?:many|much) thanks|thanks in advance|(?:kind|best|warm) regards|"
    r"best wishes|good (?:morning|afternoon|evening|day)|i would like to know|"
    r"(?:do|can|could|would) you (?:please )?(?:know|tell me)|tell me|(?:hi|ok|um|uh|so)(?: there)?(?=[,.!]))\b"
)
_NEGATIONS = frozenset(
    re.findall(
        r"\w+",
        "no not never none nobody nothing nowhere without neither nor cannot nicht kein keine ohne pas sans non",
    )
)

Left = tuple[list[str], list[str]]


class Text:
    """A normalised text, its words and its shingles; `find_rare` finds the shingles that hardly any other row has."""

    def __init__(self, text: str, find_rare: Callable[[], frozenset[int]] = frozenset) -> None:
        self.text = text
        self._find_rare = find_rare

    @once
    def rare(self) -> frozenset[int]:
        """Passages that are its own."""
        return self._find_rare()

    @once
    def words(self) -> list[str]:
        """All words in order."""
        return words_of(self.text)

    @once
    def weighty(self) -> list[str]:
        """The words that say something."""
        return [word for word in self.words if word not in LIGHT]

    @once
    def vocabulary(self) -> frozenset[str]:
        """Those, whatever their order."""
        return frozenset(self.weighty)

    @once
    def grams(self) -> frozenset[str]:
        """All runs of five characters."""
        return frozenset(self.text[place : place + _GRAM] for place in range(len(self.text) - _GRAM + 1))


@dataclass(frozen=True, slots=True)
class Likeness:
    """Compares texts; `frequency` says in about how many rows a word occurs."""

    frequency: Callable[[str], int]

    def nearly_same(self, one: Text, other: Text, *, numbers_matter: bool, is_question: bool = False) -> bool:
        """Whether one is an edited copy of the other; questions differ more easily."""
        if _too_different(one, other) or _too_many_words_differ(one, other):
            return False
        left = self._differing(one.weighty, other.weighty)
        if not any(left):
            return bool(one.weighty)
        if is_question and all(left) and self._asks_something_else(one, other, left):
            return False
        return self._is_copy(one, other, left, numbers_matter)

    def same_answer(self, one: Text, other: Text) -> bool:
        """Whether two answers agree: no word that says something differs, or one in twenty of a long one."""
        if one.text == other.text:
            return True
        if _too_different(one, other):
            return False
        left = self._differing(one.weighty, other.weighty)
        return not _matters(left, True) and sum(map(len, left)) * 20 <= max(len(one.words), len(other.words))

    def _asks_something_else(self, one: Text, other: Text, left: Left) -> bool:
        """Whether words were exchanged in a short text, or words that other rows use as well: a router is no lamp."""
        short = min(len(one.words), len(other.words)) < _EXCHANGE_WORDS
        return short or all(any(self.frequency(word) >= _USUAL for word in words) for words in left)

    def _is_copy(self, one: Text, other: Text, left: Left, numbers_matter: bool) -> bool:
        size = min(len(one.words), len(other.words))
        if size < LONG_WORDS or sum(map(len, left)) > 2 * size * _DIFFERING_SHARE or _matters(left, numbers_matter):
            return False
        shared, either = len(one.rare & other.rare), len(one.rare | other.rare)
        if shared < _SHARED_RARE or shared < _RARE_JACCARD * either:
            return False
        return jaccard(one.grams, other.grams) >= JACCARD

    def _differing(self, one: list[str], other: list[str]) -> Left:
        """The words that only the one and only the other has at a place, without typing errors."""
        first = 0
        while first < min(len(one), len(other)) and one[first] == other[first]:
            first += 1
        last = 0
        while last < min(len(one), len(other)) - first and one[-1 - last] == other[-1 - last]:
            last += 1
        one, other = one[first : len(one) - last], other[first : len(other) - last]
        if max(len(one), len(other)) > _MOST_COMPARED:
            return list((Counter(one) - Counter(other)).elements()), list((Counter(other) - Counter(one)).elements())
        left: Left = [], []
        for kind, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
            if kind != "equal" and not self._same_but_for_typos(one[a:b], other[c:d]):
                left[0].extend(one[a:b])
                left[1].extend(other[c:d])
        return left

    def _same_but_for_typos(self, one: list[str], other: list[str]) -> bool:
        if (joined := "".join(one)) == "".join(other) and joined.isalpha():
            return True
        return len(one) == len(other) and all(map(self._is_typo, one, other))

    def _is_typo(self, one: str, other: str) -> bool:
        if one == other:
            return True
        if min(len(one), len(other)) < _TYPO_LETTERS or one[0] != other[0] or not (one + other).isalpha():
            return False
        if not one_slip_apart(one, other):
            return False
        odd, usual = sorted((self.frequency(one), self.frequency(other)))
        return usual >= _USUAL and odd <= max(_ODD, usual // _ODD_SHARE)


def without_courtesy(text: str) -> str:
    """A normalised text without phrases such as "kind regards", with plain apostrophes; `LIGHT` has single words."""
    return _COURTESY.sub(" ", text).replace("’", "'")


def one_slip_apart(one: str, other: str) -> bool:
    """One letter more, less or another, or two neighbours swapped."""
    if abs(len(one) - len(other)) > 1:
        return False
    first = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if first is None:
        return True
    a, b = one[first:], other[first:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared of all; 0 if both are empty."""
    shared = len(one & other)
    return shared / max(1, len(one) + len(other) - shared)


def _too_different(one: Text, other: Text) -> bool:
    """Cheap: lengths that no Jaccard of 0.8 allows."""
    shorter, longer = sorted((len(one.text), len(other.text)))
    return longer > 40 and shorter < 0.7 * longer


def _too_many_words_differ(one: Text, other: Text) -> bool:
    """Cheap: more than could be typing errors and what a copy may change."""
    differing = len(one.vocabulary ^ other.vocabulary)
    return differing > 6 + 2 * _DIFFERING_SHARE * min(len(one.words), len(other.words))


def _matters(left: Left, numbers_matter: bool) -> bool:
    """Whether one of them denies what the other says, or another number stands there."""
    denies, denies_too = (any(word in _NEGATIONS for word in words) for words in left)
    return denies != denies_too or (numbers_matter and not all(word.isalpha() for words in left for word in words))
