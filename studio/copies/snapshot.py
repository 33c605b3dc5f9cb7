"""One consistent look at the database: a copy of it, and what its rows name on disk."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.orm import Session

from studio.copies import postgresql
from studio.copies.catalogue import catalogue_sha256
from studio.house.findings import House
from studio.house.references import NamedCheckpoint, NamedFile, named_checkpoints, named_files


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the copy in a file holds."""

    dialect: str
    revision: str
    catalogue_sha256: str
    files: list[NamedFile]
    checkpoints: list[NamedCheckpoint]


def take_snapshot(house: House, target: Path) -> Snapshot:
    """Copy the database into a file while the studio runs; raises StartupError where pg_dump is needed and absent."""
    engine: Engine = house.session_factory.kw["bind"]
    if engine.dialect.name == "sqlite":
        _copy_sqlite(engine, target)
        with reading_copy(target) as connection:
            return _described(connection)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        postgresql.dump(connection, target)
        return _described(connection)


@contextmanager
def reading_copy(path: Path) -> Iterator[Connection]:
    """A connection to a copied SQLite file that leaves no journal beside it."""
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _copy_sqlite(engine: Engine, target: Path) -> None:
    """SQLite's online backup: one read transaction, which in WAL mode holds no writer up."""
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(str(engine.url.database))) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        # The copy is one file: without this a reader would look for a journal beside it.
        copy.execute("PRAGMA journal_mode=DELETE")


def _described(connection: Connection) -> Snapshot:
    with Session(connection) as session:
        return Snapshot(
            dialect=connection.dialect.name,
            revision=MigrationContext.configure(connection).get_current_revision() or "",
            catalogue_sha256=catalogue_sha256(connection),
            files=named_files(session),
            checkpoints=named_checkpoints(session),
        )
