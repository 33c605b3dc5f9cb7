"""What a recipe changes, row by row: counted as a whole, and kept with before and after for the first ones."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from studio.formats.canonical import OFFSET_BYTES
from studio.formats.shapes import Row
from studio.mending import CHANGES_FILE, CHANGES_KEPT, CHANGES_OFFSETS_FILE


class Changes:
    """Two files, a JSON object a line and where each line begins, and the counts of each step."""

    def __init__(self, folder: Path, steps: Sequence[dict[str, Any]]) -> None:
        self._lines = (folder / CHANGES_FILE).open("wb", buffering=1 << 16)
        self._offsets = (folder / CHANGES_OFFSETS_FILE).open("wb")
        self._sentences = [step["sentence"] for step in steps]
        self._size_bytes = 0
        self._kept = 0
        self.steps = [{"dropped": 0, "changed": 0} for _ in steps]
        self.dropped = 0
        self.changed = 0
        self.added = 0

    def __enter__(self) -> "Changes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._offsets.close()

    def drop(self, number: int, step: int, line: bytes) -> None:
        """A step (from 1) dropped this row."""
        self.dropped += 1
        self.steps[step - 1]["dropped"] += 1
        if self._kept < CHANGES_KEPT:
            self._keep(number, "dropped", [step], orjson.loads(line), None)

    def change(self, number: int, steps: Sequence[int], before: Row, after: Row) -> None:
        """These steps changed this row."""
        self.changed += 1
        for step in steps:
            self.steps[step - 1]["changed"] += 1
        if self._kept < CHANGES_KEPT:
            self._keep(number, "changed", steps, before, after)

    def _keep(self, number: int, kind: str, steps: Sequence[int], before: Row, after: Row | None) -> None:
        why = [self._sentences[step - 1] for step in steps]
        line = orjson.dumps({"row": number, "kind": kind, "why": why, "before": before, "after": after}) + b"\n"
        self._offsets.write(self._size_bytes.to_bytes(OFFSET_BYTES, "little"))
        self._lines.write(line)
        self._size_bytes += len(line)
        self._kept += 1
