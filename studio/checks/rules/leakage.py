"""Rows to test with that are trained on too."""

from array import array
from collections.abc import Iterable, Iterator
from itertools import groupby

from studio.checks.base import Check, Context, Finding
from studio.checks.seen import Seen

_NAMES = ("train", "validation", "test")


class Leakage(Check):
    """Seventeen bytes a row: a hash of the normalised question (of the text, where there is none), place and split."""

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
        """Equal questions stand together once sorted, in the order of their rows."""
        order = sorted(range(len(self._hashes)), key=self._hashes.__getitem__)
        for _, group in groupby(order, key=self._hashes.__getitem__):
            members = list(group)
            by_code = {self._codes[member]: member + 1 for member in reversed(members)}
            for member in members:
                code = self._codes[member]
                # A row leaks into the split that is trained on; a test row also into the validation rows.
                other = min((place for kind, place in by_code.items() if kind < code), default=0)
                if other:
                    split = _NAMES[self._codes[other - 1]]
                    yield Finding(
                        member + 1, f"a {_NAMES[code]} row; row {other} of {split} asks the same", other, other
                    )
