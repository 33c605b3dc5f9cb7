"""Rows that say nearly the same as an earlier one."""

from collections.abc import Iterable, Iterator

from studio.checks.base import Check, Context, Finding
from studio.checks.rules._near import facts_of, near_of
from studio.checks.seen import Seen


class NearDuplicates(Check):
    """Copies that differ in punctuation, courtesy, typing errors or a few words; exact copies are told elsewhere."""

    name = "near_duplicates"
    title = "Near-duplicates"
    severity = "warning"
    explanation = (
        "These rows are almost a copy of an earlier row: only punctuation, a typing error or a few words differ. The "
        "model learns such texts by heart much as it does exact copies, and you pay for each pass."
    )
    advice = "Keep the first of each."
    fixes = ("keep_first", "drop")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._near = near_of(context)

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Remember the row."""
        self._near.look(seen)
        return ()

    def finish(self) -> Iterator[Finding]:
        """Each text but the first of its group, by its first row."""
        groups = self._near.same_texts()
        for places in groups.rows():
            first = int(places[0]) + 1
            for place in places[1:].tolist():
                if groups.text[place] == place:
                    yield Finding(place + 1, f"nearly the same as row {first}", other=first, group=first)

    def facts(self) -> dict[str, object]:
        """How many rows were compared."""
        return facts_of(self._near, self.context)
