"""Datasets that are too small to teach anything."""

from collections.abc import Iterable, Iterator

from studio.checks.base import Check, Finding
from studio.checks.seen import Seen

_SMOKE_TEST, _FIRST_RUN = 100, 500


class TooFewRows(Check):
    """The usual advice: 100 to 300 rows show whether a run works, 500 to 2,000 make a first useful one."""

    name = "too_few_rows"
    title = "Few rows"
    severity = "note"
    explanation = (
        "100 to 300 rows show whether a run works; a first useful model mostly needs 500 to 2,000. With fewer, the "
        "validation loss says little, and the model learns rows by heart."
    )
    advice = "Add rows, or take this run as a smoke test."
    fixes = ()

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Nothing shows in a single row."""
        return ()

    def finish(self) -> Iterator[Finding]:
        """Tell once, of the last row."""
        count = self.context.row_count
        if count < _FIRST_RUN:
            what = "a smoke test" if count >= _SMOKE_TEST else "little more than a try"
            rows = "1 row is" if count == 1 else f"{count:,} rows are"
            yield Finding(count, f"{rows} enough for {what}")
