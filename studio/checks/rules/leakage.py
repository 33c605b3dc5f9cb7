"""Rows to test with that are trained on too."""

from array import array
from collections.abc import Iterable, Iterator

from studio.checks.base import Check, Context, Finding
from studio.checks.rules._groups import Places, groups_of
from studio.checks.seen import SPLITS, Seen


class Leakage(Check):
    """Nine bytes a row: a hash of the normalised question (of the text, where there is none), and the split."""

    name = "leakage"
    title = "Leaks between the splits"
    severity = "warning"
    explanation = (
        "These rows are held out to measure with, yet their question is trained on as well. The score then says how "
        "well the model remembers, not how well it does its task."
    )
    advice = "Drop them from the held-out rows, or split so that equal questions stay on one side."
    fixes = ("drop",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._hashes = array("Q")
        self._codes = bytearray()

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Remember what is asked."""
        self._hashes.append(seen.question_hash if seen.normal_question else seen.answer_hash)
        self._codes.append(seen.split_code)
        return ()

    def finish(self) -> Iterator[Finding]:
        """A row leaks into the split that is trained on; a test row also into the validation rows."""
        for places in groups_of(self._hashes):
            yield from self._tell(places)

    def _tell(self, places: Places) -> Iterator[Finding]:
        numbers = (places + 1).tolist()
        first = {self._codes[row - 1]: row for row in reversed(numbers)}
        for row in numbers:
            code = self._codes[row - 1]
            other = min((place for kind, place in first.items() if kind < code), default=0)
            if other:
                split = SPLITS[self._codes[other - 1]]
                yield Finding(row, f"a {SPLITS[code]} row; row {other} of {split} asks the same", other, numbers[0])
