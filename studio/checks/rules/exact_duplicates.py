"""Rows that say the same as an earlier one."""

from array import array
from collections.abc import Iterable, Iterator

import orjson

from studio.checks.base import Check, Context, Finding
from studio.checks.personal_patterns import PERSONAL
from studio.checks.private import redacted
from studio.checks.rules._groups import groups_of
from studio.checks.secret_patterns import SECRETS
from studio.checks.seen import Seen

_SHOWN, _SHOWN_CHARACTERS = 5, 80
# A value that the end of what is shown would cut must be seen whole to be hidden.
_LOOKED_AT = 2000


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
        self._hashes, self._starts = array("Q"), array("Q")
        self._largest: list[tuple[int, int]] = []

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Remember the row."""
        self._hashes.append(seen.text_hash)
        self._starts.append(seen.start)
        return ()

    def finish(self) -> Iterator[Finding]:
        """Each copy names the first row that says it."""
        for places in groups_of(self._hashes):
            first, *copies = (places + 1).tolist()
            self._largest = sorted([*self._largest, (len(places), -first)], reverse=True)[:_SHOWN]
            for row in copies:
                yield Finding(row, f"the same as row {first}", other=first, group=first)

    def facts(self) -> dict[str, object]:
        """The texts that are said most often: how often, the first row, and how they begin, without private data."""
        most = [{"count": count, "row": -row, "text": self._beginning(-row)} for count, row in self._largest]
        return {"most_copied": most} if most else {}

    def _beginning(self, row: int) -> str:
        if self.context.rows is None:
            return ""
        with self.context.rows.open("rb") as stream:
            stream.seek(self._starts[row - 1])
            turns = Seen(row, 0, orjson.loads(stream.readline())).turns
        # Rows with one system text begin alike.
        text = " → ".join(turn.text for turn in turns if turn.role != "system")
        for patterns in (SECRETS, PERSONAL):
            text = redacted(patterns, text[:_LOOKED_AT])
        return text[:_SHOWN_CHARACTERS]
