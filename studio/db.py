"""Engine, session and the two habits around them: commit at the edge, and do things only after it."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Engine, MetaData, TypeDecorator, create_engine, event
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Float

SessionFactory = sessionmaker[Session]

# What is raised while the database is away: restarted, locked for longer than its timeout, or out of connections.
# psycopg tells by an InternalError that a transaction was ended for being idle.
DATABASE_AWAY = (OperationalError, InterfaceError, InternalError, NoConnection)

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """All tables; constraint names follow one convention so that migrations can drop them by name."""

    metadata = MetaData(naming_convention=_NAMING)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python, whatever the database keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: they are a bug, not a value."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Mark what SQLite returns without a zone as the UTC that it is."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class database_seconds(FunctionElement[float]):
    """The database's clock as Unix seconds: leases never compare the clocks of two machines."""

    type = Float()
    inherit_cache = True
    name = "database_seconds"


@compiles(database_seconds, "sqlite")
def _sqlite_seconds(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    # unixepoch('subsec') needs SQLite 3.42; Debian 12 has 3.40.
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_seconds, "postgresql")
def _postgresql_seconds(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return "(extract(epoch from clock_timestamp())::double precision)"


def utc_now() -> datetime:
    """The present moment, aware."""
    return datetime.now(UTC)


def make_engine(url: str, *, longest_pause_seconds: float | None = None) -> Engine:
    """Open a pool on `url`; a bare `postgresql://` uses psycopg 3, SQLite is put into WAL mode.

    PostgreSQL ends a transaction in which nothing was said for `longest_pause_seconds`: a process that is frozen, or
    whose host is gone, would else hold its locks until TCP gives up, which takes two hours.
    """
    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    if url.startswith("sqlite"):
        return _sqlite_engine(url)
    engine = create_engine(url, pool_pre_ping=True)
    if longest_pause_seconds is not None:
        _end_pauses(engine, longest_pause_seconds)
    return engine


def _end_pauses(engine: Engine, seconds: float) -> None:
    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        connection.execute(f"SET idle_in_transaction_session_timeout = {seconds * 1000:.0f}")
        connection.commit()


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 10})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("busy_timeout=10000", "foreign_keys=ON", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        _enter_wal(connection)

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # A deferred transaction that reads and then writes fails at once with SQLITE_BUSY when
        # another writer came between; taking the write lock first makes it wait instead.
        mode = "DEFERRED" if connection.get_execution_options().get("read_only") else "IMMEDIATE"
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def _enter_wal(connection: Any) -> None:
    """Change the journal; the first change needs the file alone, and SQLite does not wait for that by itself."""
    for _ in range(100):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            time.sleep(0.1)
        else:
            return
    connection.execute("PRAGMA journal_mode=WAL")


def make_session_factory(engine: Engine) -> SessionFactory:
    """Sessions whose objects stay readable after commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def transaction(factory: SessionFactory) -> Iterator[Session]:
    """Open a session, commit at the end, roll back on any error."""
    with factory() as session, session.begin():
        yield session


@contextmanager
def reading(factory: SessionFactory) -> Iterator[Session]:
    """Open a session that only reads: on SQLite it takes no write lock."""
    with factory() as session:
        session.connection(execution_options={"read_only": True})
        # Closing ends the transaction and leaves what was read readable; a rollback would expire it.
        yield session


def on_commit(session: Session, action: Callable[[], None]) -> None:
    """Run `action` once after this session's outer transaction has committed; drop it on rollback."""

    # The listeners stay for the life of the session: none can be taken away while they are called.
    waiting = [action]

    def _committed(_: Session) -> None:
        # after_commit fires for savepoints too.
        if waiting and not session.in_nested_transaction():
            waiting.pop()()

    def _rolled_back(_: Session) -> None:
        if not session.in_nested_transaction():
            waiting.clear()

    event.listen(session, "after_commit", _committed)
    event.listen(session, "after_rollback", _rolled_back)
