"""What differs between two versions of a dataset: rows that were dropped, added or changed, found once, then paged.

Each version keeps the place of its rows in its parent, in order; so two versions are compared through the nearest
version that both come from, without reading a row. Five million rows take 4 s and 160 MB the first time.
"""

import shutil
import sys
import tempfile
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from studio.datasets.models import Dataset, DatasetVersion
from studio.datasets.reading import NumberedRow, read_places
from studio.errors import NotFound
from studio.formats.canonical import OFFSET_BYTES
from studio.mending import CHANGED_BIT
from studio.storage import Storage

DiffKind = Literal["dropped", "added", "changed"]
DIFF_KINDS: tuple[DiffKind, ...] = ("dropped", "added", "changed")
_FOLDER = "diffs"
_NUMBER = CHANGED_BIT - 1
_PAIR_BYTES = 2 * OFFSET_BYTES


@dataclass(frozen=True, slots=True)
class Difference:
    """Two versions and how many rows differ in each way; `folder` holds their numbers, in pairs (0: there is none)."""

    before: DatasetVersion
    after: DatasetVersion
    counts: Mapping[DiffKind, int]
    folder: Path


@dataclass(frozen=True, slots=True)
class DifferentRow:
    """A row that only one version has, or both sides of one that was changed."""

    before: NumberedRow | None
    after: NumberedRow | None


def compare(
    dataset: Dataset, before: DatasetVersion, after: DatasetVersion, *, storage: Storage, cache: Path
) -> Difference:
    """Find what differs, or look it up; raises NotFound when a file of origins is lost."""
    folder = cache / _FOLDER / f"{before.id}.{after.id}"
    if not folder.is_dir():
        _write(folder, _pairs(dataset, before, after, storage))
    counts: dict[DiffKind, int] = {kind: (folder / kind).stat().st_size // _PAIR_BYTES for kind in DIFF_KINDS}
    return Difference(before, after, counts, folder)


def read_difference(
    found: Difference, kind: DiffKind, *, storage: Storage, start: int, limit: int
) -> list[DifferentRow]:
    """Up to `limit` rows that differ in one way, from the `start`-th (from 0), in the order of the file."""
    with (found.folder / kind).open("rb") as stream:
        stream.seek(start * _PAIR_BYTES)
        numbers = _unpacked(stream.read(limit * _PAIR_BYTES))
    before = _rows(found.before, storage, numbers[0::2])
    after = _rows(found.after, storage, numbers[1::2])
    return [DifferentRow(*pair) for pair in zip(before, after, strict=True)]


def _rows(version: DatasetVersion, storage: Storage, numbers: "array[int]") -> list[NumberedRow | None]:
    places = [number - 1 for number in numbers if number]
    rows = iter(read_places(version, storage=storage, places=places))
    return [next(rows) if number else None for number in numbers]


def _pairs(
    dataset: Dataset, before: DatasetVersion, after: DatasetVersion, storage: Storage
) -> Iterator[tuple[DiffKind, int, int]]:
    """Walk both versions in the order of the rows that they come from."""
    known = {version.id: version for version in dataset.versions}
    ancestor = _common(known, before, after)
    ours = _origins(known, before, ancestor, storage)
    theirs = _origins(known, after, ancestor, storage)
    mine = other = 0
    while mine < len(ours) or other < len(theirs):
        left = ours[mine] & _NUMBER if mine < len(ours) else _NUMBER
        right = theirs[other] & _NUMBER if other < len(theirs) else _NUMBER
        mine, other = mine + (left <= right), other + (right <= left)
        if left < right:
            yield "dropped", mine, 0
        elif right < left:
            yield "added", 0, other
        elif (ours[mine - 1] | theirs[other - 1]) & CHANGED_BIT:
            yield "changed", mine, other


def _common(known: Mapping[str, DatasetVersion], one: DatasetVersion, two: DatasetVersion) -> DatasetVersion:
    ancestors = {version.id for version in _line(known, one)}
    found = next((version for version in _line(known, two) if version.id in ancestors), None)
    if found is None:
        raise NotFound("These versions have no common origin, so their rows cannot be compared.")
    return found


def _line(known: Mapping[str, DatasetVersion], version: DatasetVersion | None) -> Iterator[DatasetVersion]:
    """A version, its parent, and so on."""
    while version is not None:
        yield version
        version = known.get(version.parent_id) if version.parent_id else None


def _origins(
    known: Mapping[str, DatasetVersion], version: DatasetVersion, ancestor: DatasetVersion, storage: Storage
) -> "array[int]":
    """The place of each row in the ancestor (from 1), with CHANGED_BIT if it was changed since."""
    origins = array("Q", range(1, version.row_count + 1))
    for step in _line(known, version):
        if step.id == ancestor.id:
            break
        if step.origins_key is not None:
            with storage.open(step.origins_key) as stream:
                below = _unpacked(stream.read())
            origins = array("Q", (below[(origin & _NUMBER) - 1] | (origin & CHANGED_BIT) for origin in origins))
    return origins


def _write(folder: Path, pairs: Iterator[tuple[DiffKind, int, int]]) -> None:
    """Into a folder of another name first: two who ask at once do no harm."""
    found = {kind: array("Q") for kind in DIFF_KINDS}
    for kind, before, after in pairs:
        found[kind].extend((before, after))
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix="tmp-", dir=folder.parent))
    for kind, numbers in found.items():
        (temporary / kind).write_bytes(_packed(numbers))
    try:
        temporary.rename(folder)
    except OSError:
        # Somebody else was quicker.
        shutil.rmtree(temporary)


def _unpacked(packed: bytes) -> "array[int]":
    numbers = array("Q", packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _packed(numbers: "array[int]") -> bytes:
    return _unpacked(numbers.tobytes()).tobytes()
