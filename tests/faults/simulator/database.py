"""The real database under virtual time: transactions that fail, and commits whose answer is lost."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Float, StaticPool, bindparam, create_engine, delete, event, text
from sqlalchemy.orm import Session

from studio.actors import LOCAL_ACTOR
from studio.adapters import Adapter
from studio.datasets import Dataset, DatasetVersion, Split
from studio.db import make_engine
from studio.runs import Checkpoint, Point, Run, RunEvent, SampleAnswer
from studio.tables import metadata
from tests.faults.simulator.clock import Clock

_Result = TypeVar("_Result")
_EMPTIED = (Adapter, Checkpoint, Point, RunEvent, SampleAnswer, Run)
# Rows that PostgreSQL has only marked as deleted slow every later schedule down.
_VACUUM_EVERY = 100


class Away(Exception):
    """The database did not answer; the transaction may have been committed all the same."""


class Tables:
    """One connection to a database with all tables; schedules use it one after the other."""

    def __init__(self, engine: Engine) -> None:
        metadata.create_all(engine)
        self._engine = engine
        self._uses = 0
        self.connection: Connection = engine.connect()
        with self.connection.begin():
            self.version_id = _add_dataset(self.connection)

    def empty(self) -> None:
        """Forget the last schedule."""
        with self.connection.begin():
            for table in _EMPTIED:
                self.connection.execute(delete(table))
        self._uses += 1
        if self._uses % _VACUUM_EVERY == 0 and self._engine.dialect.name == "postgresql":
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))

    def close(self) -> None:
        """Give the connection back."""
        self.connection.close()
        self._engine.dispose()


def sqlite_tables() -> Tables:
    """In memory: a simulated crash rolls back, it does not cut the power."""
    engine = create_engine("sqlite://", poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return Tables(engine)


def postgresql_tables(url: str) -> Tables:
    """A database of its own; without waiting for the disk, for the same reason."""
    engine = make_engine(url)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        connection.execute("SET synchronous_commit = off")
        connection.commit()

    return Tables(engine)


class Database:
    """Runs one transaction at a time for every simulated process."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._clock = clock
        self._session = Session(tables.connection, expire_on_commit=False)
        self.away_until = 0.0
        self.next_commit: str | None = None
        self.now = bindparam("now", callable_=lambda: clock.now, type_=Float(53), unique=False)

    def write(
        self, action: Callable[[Session], _Result], committed: Callable[[_Result], None] = lambda _: None
    ) -> _Result:
        """Commit what `action` does; `committed` is told the truth, the caller only what he would hear."""
        if self._clock.now < self.away_until:
            raise Away
        fate, self.next_commit = self.next_commit, None
        try:
            with self._session.begin() as transaction:
                result = action(self._session)
                if fate == "lost":
                    transaction.rollback()
                    raise Away
        finally:
            self._session.expunge_all()
        committed(result)
        if fate == "unheard":
            raise Away
        return result


def _add_dataset(connection: Connection) -> str:
    version = DatasetVersion(
        owner_id=LOCAL_ACTOR.id,
        number=1,
        file_name="rows.jsonl",
        file_format="jsonl",
        file_size_bytes=1,
        original_sha256="0" * 64,
        shape="text",
        canonical="text",
        sha256="0" * 64,
        size_bytes=1,
        row_count=100,
        split=Split().model_dump(),
    )
    with Session(connection) as session:
        session.add(Dataset(owner_id=LOCAL_ACTOR.id, name="Rows", versions=[version]))
        session.flush()
        version_id = version.id
        session.commit()
    return version_id
