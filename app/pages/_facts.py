"""What the checks counted in the rows of a version, as the profile draws it: languages, labels, lengths, turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MOST_PORTIONS = 10
_LABEL_CHARACTERS = 32
ROW_HEIGHT = 36


@dataclass(frozen=True, slots=True)
class Portion:
    """So many rows have this value; `width` is a bar's length in percent, of the longest one."""

    label: str
    rows: int
    width: float
    y: int

    @property
    def short(self) -> str:
        """The label, cut to what fits above a bar on a phone."""
        return self.label if len(self.label) <= _LABEL_CHARACTERS else f"{self.label[: _LABEL_CHARACTERS - 1]}…"


@dataclass(frozen=True, slots=True)
class Distribution:
    """How the rows divide by one thing; `note` is a sentence under it."""

    name: str
    title: str
    column: str
    portions: Sequence[Portion]
    note: str = ""

    @property
    def height(self) -> int:
        """Of the picture, in pixels."""
        return ROW_HEIGHT * len(self.portions)

    @property
    def words(self) -> str:
        """The whole picture as a sentence."""
        return f"{self.title}: " + ", ".join(f"{portion.label} {portion.rows:,} rows" for portion in self.portions)


@dataclass(frozen=True, slots=True)
class Copied:
    """A text that many rows say: how many, the first of them, and how it begins."""

    rows: int
    row: int
    text: str


def distributions_of(checkup: Mapping[str, Any]) -> list[Distribution]:
    """What there is to draw of the result of a checkup."""
    facts = _facts(checkup)
    made = (_languages(facts), _labels(facts), _answers(facts), _turns(facts))
    return [found for found in made if found.portions]


def copies_of(checkup: Mapping[str, Any]) -> list[Copied]:
    """The texts that are said most often."""
    return [Copied(one["count"], one["row"], one["text"]) for one in _facts(checkup).get("most_copied", ())]


def _facts(checkup: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for check in checkup["checks"] for name, value in check["facts"].items()}


def _languages(facts: Mapping[str, Any]) -> Distribution:
    note = "Short texts and code, whose language is not clear, are not counted."
    return Distribution(
        "languages", "Languages", "Language", _portions(_largest(facts.get("languages", {}), "other languages")), note
    )


def _labels(facts: Mapping[str, Any]) -> Distribution:
    labels = {label or "(empty)": rows for label, rows in facts.get("labels", {}).items()}
    return Distribution("labels", "Labels", "Answer", _portions(_largest(labels, "other labels")))


def _answers(facts: Mapping[str, Any]) -> Distribution:
    told = facts.get("answer_characters", {})
    counts = [(_span(first, last), rows) for first, last, rows in told.get("bars", ())]
    note = ""
    if counts:
        note = f"Half of the answers have at most {told['p50']:,} characters, 95 of 100 at most {told['p95']:,}."
    return Distribution("answers", "Length of answers", "Characters", _portions(counts), note)


def _turns(facts: Mapping[str, Any]) -> Distribution:
    counts = facts.get("turns_per_row", ())
    shown = [(f"{turns} {'turn' if turns == 1 else 'turns'}", rows) for turns, rows in counts[:_MOST_PORTIONS]]
    rest = counts[_MOST_PORTIONS:]
    if rest:
        shown.append((f"{rest[0][0]} turns and more", sum(rows for _, rows in rest)))
    return Distribution("turns", "Turns of a row", "Turns", _portions(shown))


def _span(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def _largest(counts: Mapping[str, int], others: str) -> list[tuple[str, int]]:
    """The most frequent ones; what is left counts as one."""
    ordered = sorted(counts.items(), key=lambda one: -one[1])
    rest = ordered[_MOST_PORTIONS:]
    return ordered[:_MOST_PORTIONS] + ([(f"{len(rest)} {others}", sum(rows for _, rows in rest))] if rest else [])


def _portions(counts: Sequence[tuple[str, int]]) -> list[Portion]:
    most = max((rows for _, rows in counts), default=0) or 1
    # A single row must be seen too.
    return [
        Portion(label, rows, round(max(0.4, 100 * rows / most), 1) if rows else 0.0, ROW_HEIGHT * place)
        for place, (label, rows) in enumerate(counts)
    ]
