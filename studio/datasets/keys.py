"""Which stored files the rows of datasets name: several versions may share one, so none goes while a row is left."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, event, exists, false, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute, Session, SessionTransaction, sessionmaker

from studio.datasets.models import Arrival, DatasetVersion
from studio.db import reading
from studio.storage import Storage

_COLUMNS: Mapping[str, InstrumentedAttribute[Any]] = {
    "originals": DatasetVersion.original_sha256,
    "origins": DatasetVersion.origins_sha256,
    "splits": DatasetVersion.split_sha256,
}


def is_named(session: Session, key: str) -> bool:
    """Whether a version's rows, offsets, original, origins or split codes lie under this key, or a kept upload."""
    return bool(session.scalar(select(or_(exists().where(_names(key)), _keeps(key)))))


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


class NewFiles:
    """Files stored ahead of their rows; those that no row names after the transaction go again.

    Until then nobody discards files: another import of the same content shares them.
    """

    def __init__(self, session: Session, storage: Storage) -> None:
        self._storage = storage
        self._new: list[str] = []
        self._adding = ExitStack()
        self._adding.enter_context(storage.adding())
        event.listen(session, "after_transaction_end", self._ended)

    def store(self, source: Path, key: str) -> None:
        """Store a file and remember its key."""
        self._new.append(key)
        self._storage.put(source, key)

    def take(self, source: Path, key: str) -> None:
        """Store the file itself, which is gone afterwards, and remember its key."""
        self._new.append(key)
        self._storage.take(source, key)

    def let_go(self, key: str) -> None:
        """Remove a file after the transaction, unless a row names it then."""
        self._new.append(key)

    def _ended(self, session: Session, transaction: SessionTransaction) -> None:
        # The listener stays for the life of the session: none can be taken away while they are called.
        if transaction.parent is None:
            self._adding.close()
            while self._new:
                discard_unnamed(session, self._storage, self._new.pop())


def _names(key: str) -> ColumnElement[bool]:
    folder, sha256 = key.partition("/")[0], key.rpartition("/")[2].partition(".")[0]
    return _COLUMNS.get(folder, DatasetVersion.sha256) == sha256


def _keeps(key: str) -> ColumnElement[bool]:
    """Whether an upload that is on its way to be a dataset is kept under this key."""
    is_original = key.startswith("originals/")
    return exists().where(Arrival.kept_sha256 == key.rpartition("/")[2]) if is_original else false()
