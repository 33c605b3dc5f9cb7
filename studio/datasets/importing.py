"""Import a received file: check it in a child, store its files, and only then write its rows."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from studio import formats
from studio.actors import Actor
from studio.datasets.checking import checked
from studio.datasets.checkups import ask_checkup
from studio.datasets.keys import NewFiles
from studio.datasets.models import Dataset, DatasetVersion
from studio.datasets.naming import dataset_name, name_from_file
from studio.datasets.receiving import ReceivedUpload
from studio.datasets.splits import Split
from studio.errors import InvalidInput, UnsupportedFile
from studio.formats import FileKind, ImportLimits
from studio.formats.report import OFFSETS_FILE, ROWS_FILE, Report, Request
from studio.queue import Queue, SilentQueue
from studio.storage import Storage, disk_space_told

_NOT_FROZEN = "Only a version that comes from another one has codes and sizes."


@dataclass(frozen=True, slots=True)
class Original:
    """A file as it was sent, or fetched."""

    file_name: str
    kind_label: str
    size_bytes: int
    sha256: str


def import_upload(
    session: Session,
    actor: Actor,
    upload: ReceivedUpload,
    *,
    storage: Storage,
    name: str | None = None,
    mapping: dict[str, str] | None = None,
    split: Split | None = None,
    leave_out: bool = False,
    limits: ImportLimits = ImportLimits(),
    queue: Queue = SilentQueue(),
) -> Dataset:
    """Make a dataset of a received file and have it checked; the received file is removed whatever happens.

    With `leave_out` rows with problems are left out, as long as half of the rows stay, and counted in the facts.
    Raises RowsRefused or another InvalidInput (its `problems` are the first 100), MappingNeeded, UnsupportedFile,
    TooLarge or StorageFull, and then leaves nothing behind. Flushes; the caller commits.
    """
    try:
        title, kind = settle(upload.file_name, name, split)
        with _work_folder(upload) as folder:
            request = Request(
                path=upload.path, folder=folder, kind=kind, mapping=mapping, limits=limits, leave_out=leave_out
            )
            report = checked(request, upload.file_name)
            original = Original(upload.file_name, kind.label, upload.size_bytes, upload.sha256)
            dataset = new_dataset(actor, title, original, report, split or Split())
            _store_and_flush(session, storage, dataset, upload, folder)
        ask_checkup(session, actor, dataset.latest, queue=queue)
        return dataset
    finally:
        upload.discard()


def settle(file_name: str, name: str | None, split: Split | None) -> tuple[str, FileKind]:
    """The name of the dataset and the kind of the file, before a byte of it is read; raises InvalidInput."""
    if split is not None and split.is_frozen:
        raise InvalidInput("A new dataset is split by shares and a seed.", fields={"split": _NOT_FROZEN})
    title = dataset_name(name) if name is not None else name_from_file(file_name)
    return title, _kind(file_name)


def new_dataset(actor: Actor, title: str, original: Original, report: Report, split: Split) -> Dataset:
    """A dataset of one version, not yet in a session."""
    version = DatasetVersion(
        owner_id=actor.id,
        number=1,
        file_name=original.file_name,
        file_format=original.kind_label,
        file_size_bytes=original.size_bytes,
        original_sha256=original.sha256,
        shape=report.shape,
        canonical=report.canonical,
        column_mapping=report.mapping,
        sha256=report.sha256,
        size_bytes=report.size_bytes,
        row_count=report.row_count,
        split=split.model_dump(),
        facts=report.facts,
    )
    return Dataset(owner_id=actor.id, name=title, versions=[version])


def _store_and_flush(
    session: Session, storage: Storage, dataset: Dataset, upload: ReceivedUpload, folder: Path
) -> None:
    """Files before rows: a row is never seen without its files."""
    version = dataset.latest
    files = NewFiles(session, storage)
    files.store(folder / ROWS_FILE, version.rows_key)
    files.store(folder / OFFSETS_FILE, version.offsets_key)
    files.store(upload.path, version.original_key)
    session.add(dataset)
    session.flush()


def _kind(file_name: str) -> FileKind:
    try:
        return formats.file_kind(file_name)
    except formats.UnreadableKind as refusal:
        raise UnsupportedFile(str(refusal), problems=[str(refusal)]) from refusal


@contextmanager
def _work_folder(upload: ReceivedUpload) -> Iterator[Path]:
    """A folder beside the upload, on the same disk, for what the child writes."""
    with disk_space_told():
        folder = Path(tempfile.mkdtemp(prefix="check-", dir=upload.path.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
