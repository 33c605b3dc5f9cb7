"""What the rows of the database name on disk: stored files by key, checkpoints by run, epoch and step."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from studio import datasets, runs
from studio.adapters import Adapter
from studio.datasets import Arrival, Dataset, DatasetVersion
from studio.runs import Checkpoint

# Mended rows come from the rows of another version, which may be gone: nothing makes them again here.
Kind = Literal["rows", "mended", "offsets", "original", "arrival", "origins", "codes", "adapter"]


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A stored file that a row names; `sha256` is None where the row keeps no hash, which is the case for offsets."""

    key: str
    kind: Kind
    sha256: str | None
    row_id: str
    what: str


@dataclass(frozen=True, slots=True)
class NamedCheckpoint:
    """A checkpoint that a row names."""

    run_id: str
    epoch: int
    step: int
    manifest_sha256: str

    def folder(self, runs_dir: Path) -> Path:
        """Where it lies."""
        return runs.checkpoint_folder(runs_dir, self.run_id, self.epoch, self.step)


def named_files(session: Session) -> list[NamedFile]:
    """Every stored file that a row names, each key once."""
    # What two rows name is told of once, by the later one.
    found = (*_of_arrivals(session), *_of_datasets(session), *_of_adapters(session))
    return list({file.key: file for file in found}.values())


def is_named(session: Session, key: str) -> bool:
    """Whether a row names the stored file of this key."""
    of_adapter = select(exists().where(Adapter.storage_key == key))
    return datasets.is_named(session, key) or bool(session.scalar(of_adapter))


def named_checkpoints(session: Session) -> list[NamedCheckpoint]:
    """Every checkpoint that a row names, oldest first within its run."""
    columns = (Checkpoint.run_id, Checkpoint.epoch, Checkpoint.step, Checkpoint.manifest_sha256)
    found = session.execute(select(*columns).order_by(Checkpoint.run_id, Checkpoint.step, Checkpoint.epoch))
    return [NamedCheckpoint(*row) for row in found]


def _of_datasets(session: Session) -> Iterator[NamedFile]:
    query = select(DatasetVersion, Dataset.name).join(Dataset, DatasetVersion.dataset_id == Dataset.id)
    # Those that were uploaded come last and count: from them a file that others share can be made again.
    for version, name in session.execute(query.order_by(DatasetVersion.parent_id.is_(None), DatasetVersion.id)):
        of = f"of dataset “{name}”"
        kind: Kind = "mended" if version.parent_id else "rows"
        yield NamedFile(version.rows_key, kind, version.sha256, version.id, f"The file of rows {of}")
        yield NamedFile(version.offsets_key, "offsets", None, version.id, f"The index of rows {of}")
        yield NamedFile(version.original_key, "original", version.original_sha256, version.id, f"The upload {of}")
        if version.origins_key:
            yield NamedFile(version.origins_key, "origins", version.origins_sha256, version.id, f"The origins {of}")
        if version.codes_key:
            yield NamedFile(version.codes_key, "codes", version.split_sha256, version.id, f"The split {of}")


def _of_arrivals(session: Session) -> Iterator[NamedFile]:
    """Uploads that are not a dataset yet."""
    for arrival in session.scalars(select(Arrival).where(Arrival.kept_sha256.is_not(None)).order_by(Arrival.id)):
        what = f"The upload of “{arrival.name}”, which is not a dataset yet,"
        yield NamedFile(str(arrival.original_key), "arrival", arrival.kept_sha256, arrival.id, what)


def _of_adapters(session: Session) -> Iterator[NamedFile]:
    columns = (Adapter.storage_key, Adapter.sha256, Adapter.id, Adapter.name)
    for key, sha256, adapter_id, name in session.execute(select(*columns).order_by(Adapter.id)):
        yield NamedFile(key, "adapter", sha256, adapter_id, f"The archive of adapter “{name}”")
