"""Bring the database to the newest schema, in one transaction and under a lock, so that two starters do not collide."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, make_url, text
from sqlalchemy.exc import OperationalError

from studio.db import make_engine
from studio.errors import StartupError

# Any number that no other program uses on the same database: "tune" in ASCII.
_ADVISORY_LOCK = 0x74756E65


def upgrade(url: str, revision: str = "head") -> None:
    """Apply what is missing up to `revision`; raises StartupError when the database does not answer."""
    _migrate(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str = "base") -> None:
    """Take back everything after `revision`."""
    _migrate(url, lambda config: command.downgrade(config, revision))


def current(url: str) -> str | None:
    """The revision that the database has; None when it has none. Raises StartupError when it does not answer."""
    where = make_url(url)
    if where.get_backend_name() == "sqlite" and not Path(where.database or "").is_file():
        # Connecting would make an empty one.
        return None
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        raise _no_answer(error) from error
    finally:
        engine.dispose()


def newest() -> str | None:
    """The revision that this version brings."""
    return _scripts().get_current_head()


def is_known(revision: str) -> bool:
    """Whether this version can migrate a database of that revision."""
    return any(script.revision == revision for script in _scripts().walk_revisions())


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(files("migrations")))


def _migrate(url: str, change: Callable[[Config], None]) -> None:
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            _lock(connection)
            change(_config(connection))
            _check_references(connection)
    except OperationalError as error:
        raise _no_answer(error) from error
    finally:
        engine.dispose()


def _no_answer(error: OperationalError) -> StartupError:
    reason = str(error.orig).strip().splitlines()[0]
    return StartupError(f"The database does not answer: {reason}. Check TUNEWRIGHT_DATABASE_URL.")


def _engine(url: str) -> Engine:
    try:
        engine = make_engine(url)
    except ModuleNotFoundError as error:
        raise StartupError("PostgreSQL needs its driver: pip install 'tunewright[postgres]'.") from error
    if engine.dialect.name == "sqlite":
        # Batch migrations make a table anew and drop the old one: with enforcement on, its children would go with it.
        # The pragma does nothing inside a transaction, so it is set when the connection opens.
        event.listen(engine, "connect", lambda connection, record: connection.execute("PRAGMA foreign_keys=OFF"))
    return engine


def _lock(connection: Connection) -> None:
    """Wait for other migrators. On SQLite the transaction has begun IMMEDIATE, which is a lock already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})


def _check_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise StartupError(f"The migration would leave rows of {broken[0]} without their parents; nothing changed.")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations") / "").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
