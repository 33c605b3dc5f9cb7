"""Read rows of a version by their place: a seek for each, never a scan."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, islice
from typing import Any, BinaryIO

from studio.datasets.models import DatasetVersion
from studio.datasets.splits import SPLIT_NAMES, Split, SplitName, codes_key, split_codes, split_sizes
from studio.formats.canonical import OFFSET_BYTES
from studio.storage import Storage


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """A canonical row with its place in the file, counted from 1, and the split it belongs to."""

    number: int
    split: SplitName
    row: dict[str, Any]


def read_rows(
    version: DatasetVersion,
    *,
    storage: Storage,
    start: int,
    limit: int,
    split: SplitName | None = None,
    split_spec: Split | None = None,
) -> list[NumberedRow]:
    """Read up to `limit` rows from the `start`-th (from 0) of the file, or of one split of it."""
    codes = version_split_codes(version, split_spec, storage=storage)
    places = _places(codes, split, max(0, start), max(0, limit))
    return _numbered(version, storage, codes, places) if places else []


def _numbered(version: DatasetVersion, storage: Storage, codes: bytes, places: Sequence[int]) -> list[NumberedRow]:
    with storage.open(version.rows_key) as rows, storage.open(version.offsets_key) as offsets:
        return [
            NumberedRow(number=place + 1, split=SPLIT_NAMES[codes[place]], row=_row(rows, offsets, place))
            for place in places
        ]


def read_places(version: DatasetVersion, *, storage: Storage, places: Sequence[int]) -> list[NumberedRow]:
    """Read the rows at these places (from 0), in the order given."""
    codes = version_split_codes(version, storage=storage)
    return _numbered(version, storage, codes, places)


def version_split_codes(version: DatasetVersion, split: Split | None = None, *, storage: Storage) -> bytes:
    """One byte for each row: the place of its split in SPLIT_NAMES; raises NotFound for a frozen one that is lost."""
    split = split or split_of(version)
    if split.codes_sha256 is None:
        return split_codes(version.row_count, split)
    with storage.open(codes_key(split.codes_sha256)) as stream:
        return stream.read()


def version_split_sizes(version: DatasetVersion, split: Split | None = None) -> dict[SplitName, int]:
    """Count the rows of each split, by the version's own split unless another is given."""
    return split_sizes(version.row_count, split or split_of(version))


def split_of(version: DatasetVersion) -> Split:
    """The split that was chosen at the import, or that the rows inherited."""
    return Split.model_validate(version.split)


def _places(codes: bytes, split: SplitName | None, start: int, limit: int) -> list[int]:
    if split is None:
        return list(range(start, min(start + limit, len(codes))))
    wanted = SPLIT_NAMES.index(split)
    chosen = codes.translate(bytes(code == wanted for code in range(256)))
    return list(islice(compress(range(len(codes)), chosen), start, start + limit))


def _row(rows: BinaryIO, offsets: BinaryIO, place: int) -> dict[str, Any]:
    offsets.seek(place * OFFSET_BYTES)
    rows.seek(int.from_bytes(offsets.read(OFFSET_BYTES), "little"))
    row: dict[str, Any] = json.loads(rows.readline())
    return row
