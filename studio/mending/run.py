"""Plan the steps of a recipe one after the other, then write the rows that stay in one pass."""

import hashlib
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from studio.checks.seen import SPLITS
from studio.chores.child import CannotDo, Progress
from studio.formats.canonical import OFFSET_BYTES, CanonicalFiles, canonical_line, without_fields
from studio.formats.facts import FactCounter, row_characters
from studio.formats.limits import ImportLimits
from studio.formats.problems import OverLimit, RowProblem
from studio.formats.shapes import Row, canonical_kind
from studio.mending import ADDED, CHANGED_BIT, CODES_FILE, ORIGINS_FILE
from studio.mending.changes import Changes
from studio.mending.parent import Parent, TestRows
from studio.mending.steps import plan_step

# Mending seldom makes rows longer: a placeholder may be longer than what it stands for.
_ROOM_BYTES = 64 << 20


class NewVersion:
    """The files of the version that is made: rows, offsets, each row's place in the parent, and its split."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._files = CanonicalFiles(folder, limit_bytes)
        self._origins = (folder / ORIGINS_FILE).open("wb", buffering=1 << 16)
        self._codes = (folder / CODES_FILE).open("wb", buffering=1 << 16)
        self._hashes = {ORIGINS_FILE: hashlib.sha256(), CODES_FILE: hashlib.sha256()}
        self._facts = FactCounter()
        self._count = 0

    def __enter__(self) -> "NewVersion":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)
        self._origins.close()
        self._codes.close()

    def write(self, row: Row, line: bytes, *, origin: int, code: int) -> None:
        """Add one row; `origin` is its number in the parent, with CHANGED_BIT if it was changed, or ADDED."""
        self._count += 1
        self._files.write(line)
        spoken: list[str] = []
        self._facts.add_all([without_fields(line[:-1], row)], row_characters(row, spoken), spoken)
        packed = origin.to_bytes(OFFSET_BYTES, "little")
        self._origins.write(packed)
        self._codes.write(bytes([code]))
        self._hashes[ORIGINS_FILE].update(packed)
        self._hashes[CODES_FILE].update(bytes([code]))

    def described(self, shape: str) -> dict[str, Any]:
        """What its row in the database says."""
        return {
            "sha256": self._files.sha256,
            "size_bytes": self._files.size_bytes,
            "origins_sha256": self._hashes[ORIGINS_FILE].hexdigest(),
            "codes_sha256": self._hashes[CODES_FILE].hexdigest(),
            "facts": self._facts.facts(shape),
        }


def mend_rows(request: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Apply `request["steps"]`; without `publish` only the changes are written. Raises CannotDo."""
    parent = Parent(request, folder, progress.tell)
    for place, step in enumerate(request["steps"], start=1):
        plan_step(parent, place, step)
    with ExitStack() as stack:
        changes = stack.enter_context(Changes(folder, request["steps"]))
        added_bytes = Path(parent.test.rows).stat().st_size if parent.test else 0
        limit_bytes = 2 * Path(request["rows"]).stat().st_size + added_bytes + _ROOM_BYTES
        new = stack.enter_context(NewVersion(folder, limit_bytes)) if request["publish"] else None
        kind, sizes = _write(parent, changes, new)
        if parent.test is not None:
            _append(parent.test, kind, sizes, changes, new)
    _refuse(sizes, changes)
    canonical = kind.split()[0]
    # The shape of rows that were left as they were is still that of the upload.
    shape = request["shape"] if canonical == parent.canonical else canonical
    result = {
        "steps": changes.steps,
        "dropped": changes.dropped,
        "changed": changes.changed,
        "row_count": sum(sizes),
        "sizes": sizes,
        "added": changes.added,
        "alike": parent.alike,
        "added_fields": parent.test.fields if parent.test else [],
    }
    return result | ({"canonical": canonical, "shape": shape, **new.described(shape)} if new else {})


def _write(parent: Parent, changes: Changes, new: NewVersion | None) -> tuple[str, list[int]]:
    """Write what stays; returns the kind of the rows, and how many train, validate and test."""
    limits = ImportLimits()
    kind, sizes = parent.canonical, [0, 0, 0]
    for number, line in parent.lines("Writing rows"):
        if step := parent.dropped_by[number - 1]:
            changes.drop(number, step, line)
            continue
        before = row = orjson.loads(line)
        steps = []
        for place, change in parent.changes:
            after = change(number, row)
            if after is not row:
                steps.append(place)
                row = after
        written = _line(number, row, limits) if steps else line
        is_changed = written != line
        if is_changed:
            changes.change(number, steps, before, row)
        sizes[parent.codes[number - 1]] += 1
        kind = canonical_kind(row)
        if new is not None:
            origin = number | CHANGED_BIT if is_changed else number
            _add(new, row, written, origin, parent.codes[number - 1])
    return kind, sizes


def _append(test: TestRows, kind: str, sizes: list[int], changes: Changes, new: NewVersion | None) -> None:
    """Write the test rows after the others."""
    code = SPLITS.index("test")
    for line in test.lines():
        row = orjson.loads(line)
        if sum(sizes) and canonical_kind(row) != kind:
            raise CannotDo(f"The test rows are {canonical_kind(row)}, and the rows of this dataset {kind}.")
        sizes[code] += 1
        changes.added += 1
        if new is not None:
            _add(new, row, line, ADDED, code)


def _add(new: NewVersion, row: Row, line: bytes, origin: int, code: int) -> None:
    try:
        new.write(row, line, origin=origin, code=code)
    except OverLimit as problem:
        raise CannotDo(str(problem)) from problem


def _line(number: int, row: Row, limits: ImportLimits) -> bytes:
    try:
        return canonical_line(row, limits)
    except RowProblem as problem:
        raise CannotDo(f"Row {number:,} cannot be kept so: {problem}.") from problem


def _refuse(sizes: list[int], changes: Changes) -> None:
    """Refuse what nobody could train on, and what would be the same version once more."""
    train, validation, _ = sizes
    if not (changes.dropped or changes.changed or changes.added):
        raise CannotDo("Nothing would change: no row of this version is touched by these steps.")
    if sum(sizes) < 2:
        raise CannotDo("Fewer than two rows would be left, and a dataset needs one to train on and one to validate.")
    if not train or not validation:
        name = "train" if not train else "validation"
        raise CannotDo(f"No {name} row would be left. Drop fewer rows, or split the dataset anew.")
