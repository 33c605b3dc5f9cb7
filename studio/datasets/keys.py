"""Which stored files the rows of datasets name: several versions may share one, so none goes while a row is left."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute, Session, sessionmaker

from studio.datasets.models import DatasetVersion
from studio.db import reading
from studio.storage import Storage

_COLUMNS: Mapping[str, InstrumentedAttribute[Any]] = {
    "originals": DatasetVersion.original_sha256,
    "origins": DatasetVersion.origins_sha256,
    "splits": DatasetVersion.split_sha256,
}


def is_named(session: Session, key: str) -> bool:
    """Whether a version's rows, offsets, original, origins or split codes lie under this key."""
    return bool(session.scalar(select(exists().where(_names(key)))))


def discard_unnamed(session: Session, storage: Storage, key: str) -> None:
    """Remove a file that no committed row names; asks over a connection of its own, since the session's is done."""
    factory = sessionmaker(session.get_bind())

    def named() -> bool:
        try:
            with reading(factory) as fresh:
                return is_named(fresh, key)
        except SQLAlchemyError:
            # Unknown is named: the sweep looks again.
            return True

    storage.discard(key, named)


def _names(key: str) -> ColumnElement[bool]:
    sha256 = key.rpartition("/")[2].partition(".")[0]
    return _COLUMNS.get(key.partition("/")[0], DatasetVersion.sha256) == sha256
