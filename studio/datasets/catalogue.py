"""Find, rename and remove datasets; a foreign one is as absent as one that never was."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from studio.actors import Actor
from studio.datasets.keys import discard_unnamed
from studio.datasets.models import Dataset, DatasetVersion
from studio.datasets.naming import dataset_name
from studio.db import on_commit
from studio.errors import Conflict, NotFound
from studio.storage import Storage

_PAGE_LIMIT = 200
_Row = TypeVar("_Row", Dataset, DatasetVersion)


def list_datasets(session: Session, actor: Actor, *, limit: int = 50, after: str | None = None) -> list[Dataset]:
    """One page of datasets, newest first; `after` is the id that the page before ended with."""
    query = select(Dataset).where(Dataset.owner_id == actor.id).order_by(Dataset.id.desc())
    if after is not None:
        query = query.where(Dataset.id < after)
    return list(session.scalars(query.limit(max(1, min(limit, _PAGE_LIMIT)))))


def get_dataset(session: Session, actor: Actor, dataset_id: str) -> Dataset:
    """One dataset; raises NotFound."""
    return _own(session.get(Dataset, dataset_id), actor, "dataset")


def get_version(session: Session, actor: Actor, version_id: str) -> DatasetVersion:
    """One version of a dataset; raises NotFound."""
    return _own(session.get(DatasetVersion, version_id), actor, "dataset version")


def pick_version(dataset: Dataset, number: int | None) -> DatasetVersion:
    """A version of a dataset by its number, the newest without one; raises NotFound."""
    if number is None:
        return dataset.latest
    found = next((version for version in dataset.versions if version.number == number), None)
    if found is None:
        raise NotFound(f"There is no version {number} of this dataset.")
    return found


def rename_dataset(session: Session, actor: Actor, dataset_id: str, name: str) -> Dataset:
    """Give a dataset another name; raises NotFound and InvalidInput."""
    dataset = get_dataset(session, actor, dataset_id)
    dataset.name = dataset_name(name)
    session.flush()
    return dataset


def delete_dataset(session: Session, actor: Actor, dataset_id: str, *, storage: Storage | None = None) -> None:
    """Remove a dataset that nothing refers to; raises NotFound, or Conflict while a run names it.

    With `storage`, the files that no other version shares are removed after the commit.
    """
    dataset = get_dataset(session, actor, dataset_id)
    versions = list(dataset.versions)
    try:
        with session.begin_nested():
            session.delete(dataset)
    except IntegrityError as error:
        raise Conflict("A run uses this dataset, so it cannot be deleted. Delete the runs first.") from error
    if storage is not None:
        for key in {key for version in versions for key in version.keys}:
            on_commit(session, _discarding(session, storage, key))


def _discarding(session: Session, storage: Storage, key: str) -> Callable[[], None]:
    return lambda: discard_unnamed(session, storage, key)


def _own(row: _Row | None, actor: Actor, noun: str) -> _Row:
    if row is None or row.owner_id != actor.id:
        raise NotFound(f"There is no such {noun}.")
    return row
