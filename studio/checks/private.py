"""What must not be learned: patterns for it, cheap marks that tell which texts to look at, and placeholders for it.

What a pattern finds stays in this process: it is told by its kind and its place, never by its value.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from studio.checks.base import Finding
from studio.checks.seen import Seen
from studio.checks.texts import with_texts


def _always(match: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of value: in words, its placeholder, marks in lower case of which any text that holds it has one.

    Group 1 of the regular expression is the value, or the whole match where there is no group. Without marks every
    text is looked at.
    """

    what: str
    placeholder: str
    marks: tuple[str, ...]
    regex: re.Pattern[str]
    accepts: Callable[[str], bool] = _always

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where its values begin and end."""
        for match in self.regex.finditer(text):
            value = 1 if self.regex.groups else 0
            if self.accepts(match.group(value)):
                yield match.span(value)


class Patterns:
    """Patterns with all their marks together, so that most texts are left after a few searches for plain strings."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.all = tuple(patterns)
        self._unmarked = [pattern for pattern in patterns if not pattern.marks]
        marks = sorted({mark for pattern in patterns for mark in pattern.marks})
        # Half of them have a sign that many texts lack.
        self._marks = {sign: [mark for mark in marks if _sign_of(mark) == sign] for sign in ("_", "-", "")}

    def likely(self, lowered: str) -> list[Pattern]:
        """Those of which a text in lower case has a mark."""
        marks = [mark for sign, of in self._marks.items() if sign in lowered for mark in of if mark in lowered]
        if not marks:
            return self._unmarked
        return [pattern for pattern in self.all if not pattern.marks or not set(marks).isdisjoint(pattern.marks)]


def _sign_of(mark: str) -> str:
    return "_" if "_" in mark else "-" if "-" in mark else ""


def found_in(patterns: Sequence[Pattern], seen: Seen) -> Iterator[Finding]:
    """Tell of a row: what the first turn with a hit holds, and in how many other places there is more."""
    kinds: Counter[tuple[str, str]] = Counter()
    for turn in seen.turns:
        for pattern, _, _ in _spans(patterns, turn.said):
            kinds[pattern.what, turn.where] += 1
    if kinds:
        what, where = next(iter(kinds))
        more = kinds.total() - 1
        yield Finding(seen.number, f"{what} in {where}" + (f", and {more:,} more" if more else ""))


def redacted_row(patterns: Patterns, row: dict[str, Any]) -> dict[str, Any]:
    """The row with placeholders; the same object if there is nothing to hide."""
    return with_texts(row, lambda role, text: redacted(patterns, text))


def redacted(patterns: Patterns, text: str) -> str:
    """The text with placeholders."""
    for pattern, start, end in reversed(_spans(patterns.likely(text.lower()), text)):
        text = f"{text[:start]}{pattern.placeholder}{text[end:]}"
    return text


def with_placeholder(patterns: Sequence[Pattern], placeholder: str) -> tuple[Pattern, ...]:
    """The same patterns with one placeholder."""
    return tuple(replace(pattern, placeholder=placeholder) for pattern in patterns)


def _spans(patterns: Sequence[Pattern], text: str) -> list[tuple[Pattern, int, int]]:
    """In the order of the text; where two overlap, the pattern that is listed first."""
    taken: list[tuple[Pattern, int, int]] = []
    for pattern in patterns:
        for start, end in pattern.spans(text):
            if all(end <= first or start >= last for _, first, last in taken):
                taken.append((pattern, start, end))
    return sorted(taken, key=lambda span: span[1])
