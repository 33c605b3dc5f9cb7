"""What a check is: a name, words for a beginner, and a look at each row."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from studio.checks.seen import Seen

Severity = Literal["blocker", "warning", "note"]
FixName = Literal["drop", "keep_first", "keep_majority", "redact", "trim", "cap_length", "rebalance", "edit"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that a check found.

    `detail` is one short sentence part and never holds a secret; `other` is the row it collides with, or 0; rows of
    one `group` belong together, such as all copies of one text, which is named by its first row.
    """

    row: int
    detail: str
    other: int = 0
    group: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of the dataset before its rows are read.

    `rows` is the file of canonical rows, for checks that read some of them twice; checks that share work keep it in
    `shared` under a name.
    """

    row_count: int
    canonical: str
    method: str = ""
    rows: Path | None = None
    shared: dict[str, Any] = field(default_factory=dict)


Tell = Callable[[int, int], None]


class Check(ABC):
    """A rule. It is told of every row in order, then of the end; what it keeps of a row should be some bytes."""

    name: ClassVar[str]
    title: ClassVar[str]
    severity: ClassVar[Severity]
    explanation: ClassVar[str]
    advice: ClassVar[str]
    fixes: ClassVar[tuple[FixName, ...]] = ("drop",)

    def __init__(self, context: Context) -> None:
        self.context = context

    @abstractmethod
    def look(self, seen: Seen) -> Iterable[Finding]:
        """What is wrong with this row; rows that are found only at the end are told of in `finish`."""

    def finish(self) -> Iterable[Finding]:
        """What only shows when all rows were seen; in the order in which the page shall list it."""
        return ()

    def mended(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row as the fixes "trim" and "redact" leave it: a new one, or the same object if nothing changes."""
        return row

    def facts(self) -> dict[str, object]:
        """Numbers for the profile, such as counts by language."""
        return {}
