"""The version that is mended: its rows by number, what the checks found in it, and what was decided so far."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from studio.chores.child import CannotDo
from studio.formats.canonical import OFFSET_BYTES
from studio.formats.shapes import Row

Change = Callable[[int, Row], Row]
_TOLD_EVERY_ROWS = 2000


class Marks:
    """A set of row numbers, one bit for each row of the version."""

    def __init__(self, row_count: int) -> None:
        self._bits = bytearray((row_count >> 3) + 1)

    def add(self, number: int) -> None:
        """Put one in."""
        self._bits[number >> 3] |= 1 << (number & 7)

    def __contains__(self, number: int) -> bool:
        return bool(self._bits[number >> 3] >> (number & 7) & 1)


@dataclass(frozen=True, slots=True)
class TestRows:
    """Rows of another version that are to be test rows of the new one."""

    rows: str
    row_count: int
    fields: list[str]

    def lines(self) -> Iterator[bytes]:
        """All of them as they are stored."""
        with Path(self.rows).open("rb", buffering=1 << 20) as stream:
            yield from stream


class Parent:
    """Its rows are counted from 1. A byte for each says which step (from 1) dropped it; 0: it stays."""

    def __init__(self, request: dict[str, Any], folder: Path, tell: Callable[[str, int, int], None]) -> None:
        self.folder = folder
        self.row_count: int = request["row_count"]
        self.canonical: str = request["canonical"]
        self.codes = Path(request["split_codes"]).read_bytes()
        self.dropped_by = bytearray(self.row_count)
        self.changes: list[tuple[int, Change]] = []
        self._findings = Path(request["findings"])
        self._rows = Path(request["rows"])
        self._offsets = Path(request["offsets"])
        self.tell = tell
        self.test: TestRows | None = TestRows(**request["test"]) if request.get("test") else None
        self.alike = 0

    def stays(self, number: int) -> bool:
        """Whether no step so far has dropped it."""
        return not self.dropped_by[number - 1]

    def drop(self, number: int, step: int) -> None:
        """Let it go, unless an earlier step did."""
        if not 1 <= number <= self.row_count:
            raise CannotDo(f"There is no row {number:,}; this version has {self.row_count:,} rows.")
        self.dropped_by[number - 1] = self.dropped_by[number - 1] or step

    def lines(self, phase: str) -> Iterator[tuple[int, bytes]]:
        """All rows as they are stored."""
        with self._rows.open("rb", buffering=1 << 20) as stream:
            for number, line in enumerate(stream, start=1):
                yield number, line
                if number % _TOLD_EVERY_ROWS == 0:
                    self.tell(phase, number, self.row_count)
        self.tell(phase, self.row_count, self.row_count)

    def remaining(self) -> Iterator[tuple[int, Row]]:
        """The rows that stay, as the steps so far leave them."""
        for number, line in self.lines("Looking at rows"):
            if self.stays(number):
                yield number, self.changed(number, orjson.loads(line))

    def some(self, numbers: list[int]) -> Iterator[tuple[int, Row]]:
        """These rows as the steps so far leave them, by a seek for each."""
        with self._rows.open("rb") as rows, self._offsets.open("rb") as offsets:
            for number in numbers:
                offsets.seek((number - 1) * OFFSET_BYTES)
                rows.seek(int.from_bytes(offsets.read(OFFSET_BYTES), "little"))
                yield number, self.changed(number, orjson.loads(rows.readline()))

    def changed(self, number: int, row: Row) -> Row:
        """A row after the steps so far; the same object where they leave it as it is."""
        for _, change in self.changes:
            row = change(number, row)
        return row

    def findings(self, check: str) -> Iterator[dict[str, Any]]:
        """What a check found in this version, in the order of its file."""
        path = self._findings / f"{check}.jsonl"
        if not path.is_file():
            raise CannotDo("The rows that the checks found are not kept any more. Check this version again first.")
        with path.open("rb") as stream:
            for line in stream:
                yield json.loads(line)
