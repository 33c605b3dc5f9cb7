"""What differs between two versions of a dataset: rows that were dropped, added or changed, found once, then paged.

Each version keeps the place of its rows in its parent, in order; so two versions are compared through the nearest
version that both come from. Small ones are compared while one waits, large ones as a chore.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from studio import chores
from studio.actors import Actor
from studio.chores import Chore, ChoreLease
from studio.comparing import DIFF_KINDS, DIFFERENCE_FOLDER, PAIR_BYTES, DiffKind, Line, unpacked, write_differences
from studio.datasets.models import Dataset, DatasetVersion
from studio.datasets.reading import NumberedRow, read_places
from studio.errors import NotFound
from studio.queue import Queue
from studio.storage import Storage

# Of a version that is compared in a request: 50,000 rows take 25 ms, five million 2.4 s and 190 MB.
ROWS_AT_ONCE = 50_000
_FOLDER = "diffs"


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


def compare(before: DatasetVersion, after: DatasetVersion, *, storage: Storage, cache: Path) -> Difference | None:
    """Find what differs, or look it up; None for large versions that `ask_difference` did not compare yet.

    Raises NotFound when a file of origins is lost.
    """
    folder = _folder(cache, before.id, after.id)
    if not folder.is_dir():
        sides = before, after
        if max(version.row_count for version in sides) > ROWS_AT_ONCE:
            return None
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder.parent) as temporary:
            found = Path(temporary) / DIFFERENCE_FOLDER
            write_differences(found, *_lines(before, after, storage))
            _move(found, folder)
    counts: dict[DiffKind, int] = {kind: (folder / kind).stat().st_size // PAIR_BYTES for kind in DIFF_KINDS}
    return Difference(before, after, counts, folder)


def ask_difference(
    session: Session, actor: Actor, before: DatasetVersion, after: DatasetVersion, *, queue: Queue, cache: Path
) -> Chore:
    """Have two versions of one dataset compared, unless they are or were; asked twice, it is done once."""
    lost = not _folder(cache, before.id, after.id).is_dir()
    params = {"before": before.id, "after": after.id}
    return chores.ask(
        session, actor, "comparing", _key(before, after), params, queue=queue, version_id=after.id, again=lost
    )


def difference_chore(session: Session, actor: Actor, before: DatasetVersion, after: DatasetVersion) -> Chore | None:
    """The newest chore that compares these two, in whatever state it is."""
    return chores.newest(session, actor, "comparing", _key(before, after))


def difference_request(before: DatasetVersion, after: DatasetVersion, *, storage: Storage) -> dict[str, Any]:
    """What the child is given; raises NotFound when a file of origins is lost."""
    ours, theirs = _lines(before, after, storage)
    return {
        name: {"row_count": line.row_count, "origins": [str(path) for path in line.origins]}
        for name, line in (("before", ours), ("after", theirs))
    }


def keep_difference(cache: Path, lease: ChoreLease, folder: Path) -> None:
    """Move what the child found into the cache."""
    target = _folder(cache, lease.params["before"], lease.params["after"])
    target.parent.mkdir(parents=True, exist_ok=True)
    _move(folder / DIFFERENCE_FOLDER, target)


def read_difference(
    found: Difference, kind: DiffKind, *, storage: Storage, start: int, limit: int
) -> list[DifferentRow]:
    """Up to `limit` rows that differ in one way, from the `start`-th (from 0), in the order of the file."""
    with (found.folder / kind).open("rb") as stream:
        stream.seek(start * PAIR_BYTES)
        numbers = unpacked(stream.read(limit * PAIR_BYTES))
    before = _rows(found.before, storage, list(numbers[0::2]))
    after = _rows(found.after, storage, list(numbers[1::2]))
    return [DifferentRow(*pair) for pair in zip(before, after, strict=True)]


def _rows(version: DatasetVersion, storage: Storage, numbers: list[int]) -> list[NumberedRow | None]:
    places = [number - 1 for number in numbers if number]
    rows = iter(read_places(version, storage=storage, places=places))
    return [next(rows) if number else None for number in numbers]


def _lines(before: DatasetVersion, after: DatasetVersion, storage: Storage) -> tuple[Line, Line]:
    """Both versions as they come from the nearest common ancestor."""
    dataset = before.dataset
    ancestors = {version.id for version in _ancestry(dataset, before)}
    common = next((version for version in _ancestry(dataset, after) if version.id in ancestors), None)
    if common is None:
        raise NotFound("These versions have no common origin, so their rows cannot be compared.")
    return _line(dataset, before, common, storage), _line(dataset, after, common, storage)


def _line(dataset: Dataset, version: DatasetVersion, ancestor: DatasetVersion, storage: Storage) -> Line:
    origins = []
    for step in _ancestry(dataset, version):
        if step.id == ancestor.id:
            break
        if step.origins_key is not None:
            origins.append(storage.path(step.origins_key))
    return Line(version.row_count, origins)


def _ancestry(dataset: Dataset, version: DatasetVersion | None) -> Iterator[DatasetVersion]:
    """A version, its parent, and so on."""
    known = {one.id: one for one in dataset.versions}
    while version is not None:
        yield version
        version = known.get(version.parent_id) if version.parent_id else None


def _move(found: Path, target: Path) -> None:
    """Two who found the same at once do no harm."""
    try:
        found.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(found)


def _key(before: DatasetVersion, after: DatasetVersion) -> str:
    return hashlib.sha256(f"{before.id}.{after.id}".encode()).hexdigest()


def _folder(cache: Path, before_id: str, after_id: str) -> Path:
    return cache / _FOLDER / f"{before_id}.{after_id}"
