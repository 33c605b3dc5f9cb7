"""A version in a folder, as the child is given it, and the child's function run on it."""

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from studio.checks.run import check_rows
from studio.chores.child import Progress
from studio.datasets.recipe import read_recipe, write_recipe
from studio.formats.canonical import canonical_line
from studio.formats.limits import ImportLimits
from studio.mending import CHANGED_BIT
from studio.mending.run import mend_rows

Row = dict[str, Any]


@dataclass
class Mended:
    """What the child left."""

    folder: Path
    result: Row
    rows: list[Row] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    codes: bytes = b""

    @property
    def changes(self) -> list[Row]:
        """The kept changes."""
        return [json.loads(line) for line in (self.folder / "changes.jsonl").read_bytes().splitlines()]


Mend = Callable[..., Mended]


@pytest.fixture
def mend(tmp_path: Path) -> Mend:
    """Check rows and apply a recipe to them; `codes` holds a digit for each row: train 0, validation 1, test 2.

    `test` are the rows that a recipe takes from another dataset.
    """

    def _mend(
        rows: list[Row], recipe: list[Row], codes: str = "", *, publish: bool = True, test: Sequence[Row] = ()
    ) -> Mended:
        given, checked, left = (Path(mkdtemp(dir=tmp_path)) for _ in range(3))
        request = _stored(given, rows, codes or "1" + "0" * (len(rows) - 1))
        check_rows(request, checked, Progress(checked))
        steps = [
            plain | {"sentence": step.sentence()}
            for plain, step in zip(write_recipe(read_recipe(recipe)), read_recipe(recipe), strict=True)
        ]
        request |= {"findings": str(checked / "findings"), "steps": steps, "publish": publish}
        if test:
            (given / "test").write_bytes(b"".join(canonical_line(row, ImportLimits()) for row in test))
            request["test"] = {"rows": str(given / "test"), "row_count": len(test), "fields": []}
        mended = Mended(left, mend_rows(request, left, Progress(left)))
        return _read(mended) if publish else mended

    return _mend


def _stored(folder: Path, rows: list[Row], codes: str) -> Row:
    lines = [canonical_line(row, ImportLimits()) for row in rows]
    starts = [sum(len(line) for line in lines[:n]) for n in range(len(lines))]
    (folder / "rows").write_bytes(b"".join(lines))
    (folder / "offsets").write_bytes(struct.pack(f"<{len(starts)}Q", *starts))
    (folder / "codes").write_bytes(bytes(int(code) for code in codes))
    paths = {"rows": str(folder / "rows"), "offsets": str(folder / "offsets"), "split_codes": str(folder / "codes")}
    kinds = {"chosen": "preference", "messages": "messages", "text": "text"}
    canonical = next((kind for key, kind in kinds.items() if key in rows[0]), "prompt_completion")
    return paths | {"row_count": len(rows), "canonical": canonical, "shape": "as uploaded"}


def _read(mended: Mended) -> Mended:
    folder = mended.folder
    mended.rows = [json.loads(line) for line in (folder / "rows.jsonl").read_bytes().splitlines()]
    packed = (folder / "rows.origins").read_bytes()
    origins = struct.unpack(f"<{len(packed) // 8}Q", packed)
    mended.origins = [origin & ~CHANGED_BIT for origin in origins]
    mended.changed = [origin & ~CHANGED_BIT for origin in origins if origin & CHANGED_BIT]
    mended.codes = (folder / "split.codes").read_bytes()
    return mended


def pair(prompt: str, completion: str) -> Row:
    """One row."""
    return {"prompt": prompt, "completion": completion}
