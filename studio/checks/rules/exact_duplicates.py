"""Rows that say the same as an earlier one."""

from array import array
from collections.abc import Iterable, Iterator
from itertools import pairwise

from studio.checks.base import Check, Context, Finding
from studio.checks.seen import Seen


class ExactDuplicates(Check):
    """Sixteen bytes a row: a 64-bit hash of its normalised text, and its place."""

    name = "exact_duplicates"
    title = "Exact duplicates"
    severity = "warning"
    explanation = (
        "These rows say the same as an earlier row, apart from capitals and spaces. The model sees them more often "
        "than the others and learns them by heart, and you pay for each pass."
    )
    advice = "Keep the first of each."
    fixes = ("keep_first", "drop")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._hashes = array("Q")

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Remember the row."""
        self._hashes.append(seen.text_hash)
        return ()

    def finish(self) -> Iterator[Finding]:
        """Sort once; equal hashes stand together then. With 5 million rows, two that differ share one with p = 7e-7."""
        order = sorted(range(len(self._hashes)), key=self._hashes.__getitem__)
        first = 0
        for before, here in pairwise(order):
            if self._hashes[before] != self._hashes[here]:
                first = 0
                continue
            first = first or before + 1
            yield Finding(here + 1, f"the same as row {first}", other=first, group=first)
