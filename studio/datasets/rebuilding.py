"""Make the files of a version again: rows from the upload, and the index of rows from the rows."""

from collections.abc import Iterator
from pathlib import Path

from studio.datasets.checking import checked
from studio.datasets.models import DatasetVersion
from studio.errors import InvalidInput
from studio.formats import FileKind, ImportLimits
from studio.formats.canonical import OFFSET_BYTES
from studio.formats.report import OFFSETS_FILE, ROWS_FILE, Request
from studio.storage import Storage, sha256_of

_BATCH_BYTES = 1 << 20


def make_files_again(version: DatasetVersion, storage: Storage, folder: Path, *, only_offsets: bool) -> None:
    """Store rows and index, or the index alone; raises NotFound or InvalidInput when they cannot be the same again."""
    if only_offsets:
        rows = storage.path(version.rows_key)
        (folder / OFFSETS_FILE).write_bytes(b"".join(_packed(rows)))
    else:
        rows = folder / ROWS_FILE
        _check_again(version, storage.path(version.original_key), folder)
    if sha256_of(rows) != version.sha256:
        raise InvalidInput("The rows are not those that were imported.")
    if not only_offsets:
        storage.put(rows, version.rows_key)
    storage.put(folder / OFFSETS_FILE, version.offsets_key)


def offsets_fit(rows: Path, offsets: Path) -> bool:
    """Whether the index says where each row begins."""
    with offsets.open("rb") as stream:
        same = all(stream.read(len(batch)) == batch for batch in _packed(rows))
        return same and not stream.read(1)


def _check_again(version: DatasetVersion, original: Path, folder: Path) -> None:
    request = Request(
        path=original,
        folder=folder,
        kind=FileKind.of_label(version.file_format),
        mapping=version.column_mapping,
        limits=ImportLimits(),
        keep_fields="fields" in version.facts,
        leave_out="left_out" in version.facts,
    )
    checked(request, version.file_name)


def _packed(rows: Path) -> Iterator[bytes]:
    """The beginnings of the rows in batches, as CanonicalFiles writes them; the last line's end begins no row."""
    batch = bytearray()
    with rows.open("rb") as stream:
        beginning = 0
        for line in stream:
            batch += beginning.to_bytes(OFFSET_BYTES, "little")
            beginning += len(line)
            if len(batch) >= _BATCH_BYTES:
                yield bytes(batch)
                batch.clear()
    yield bytes(batch)
