"""Rows that say the same as an earlier one."""

from array import array
from collections.abc import Iterable, Iterator

from studio.checks.base import Check, Context, Finding
from studio.checks.rules._groups import groups_of
from studio.checks.seen import Seen


class ExactDuplicates(Check):
    """Eight bytes a row: a 64-bit hash of its normalised text."""

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
        """Each copy names the first row that says it."""
        for places in groups_of(self._hashes):
            first, *copies = (places + 1).tolist()
            for row in copies:
                yield Finding(row, f"the same as row {first}", other=first, group=first)
