"""Migrations make exactly the tables of the models, can be taken back, and run once when two starters meet."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, Engine, inspect, text

from studio.db import make_engine
from studio.errors import StartupError
from studio.migrate import downgrade, upgrade
from studio.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite'}"
        return
    url = request.getfixturevalue("postgresql_url")
    server = make_engine(url).execution_options(isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS migrations_test WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE migrations_test"))
    yield server.url.set(database="migrations_test").render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text("DROP DATABASE migrations_test WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def empty_engine(empty_url: str) -> Iterator[Engine]:
    """An engine on it."""
    engine = make_engine(empty_url)
    yield engine
    engine.dispose()


def test_migrations_make_the_tables_of_the_models(empty_url: str, empty_engine: Engine) -> None:
    upgrade(empty_url)

    with empty_engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_check_constraints_are_those_of_the_models(empty_url: str, empty_engine: Engine) -> None:
    upgrade(empty_url)

    found = inspect(empty_engine)
    for table in metadata.sorted_tables:
        named = {check["name"] for check in found.get_check_constraints(table.name)}
        assert named == {str(c.name) for c in table.constraints if isinstance(c, CheckConstraint)}


def test_triggers_are_those_of_the_models(empty_url: str, empty_engine: Engine) -> None:
    with empty_engine.begin() as connection:
        metadata.create_all(connection)
        expected = _triggers(connection)
        metadata.drop_all(connection)

    upgrade(empty_url)

    with empty_engine.connect() as connection:
        assert _triggers(connection) == expected
    assert set(expected) == {"runs_stay_over", "runs_start_over"}


def test_migrations_can_be_taken_back_and_applied_again(empty_url: str, empty_engine: Engine) -> None:
    upgrade(empty_url)
    downgrade(empty_url)
    assert inspect(empty_engine).get_table_names() == ["alembic_version"]

    upgrade(empty_url)

    assert set(inspect(empty_engine).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_starters_that_meet_migrate_once(empty_url: str, empty_engine: Engine) -> None:
    barrier = threading.Barrier(4)
    failures: list[BaseException] = []

    def start() -> None:
        barrier.wait()
        try:
            upgrade(empty_url)
        except BaseException as error:
            failures.append(error)

    starters = [threading.Thread(target=start) for _ in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()

    assert failures == []
    with empty_engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1


def test_a_database_that_does_not_answer_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="TUNEWRIGHT_DATABASE_URL"):
        upgrade(f"sqlite:///{tmp_path / 'no-such-folder' / 'x.sqlite'}")
    with pytest.raises(StartupError, match="TUNEWRIGHT_DATABASE_URL"):
        upgrade("postgresql://nobody@127.0.0.1:1/none")


def _triggers(connection: Connection) -> dict[str, str]:
    """What each of them does, by its name."""
    on_sqlite = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    on_postgresql = (
        "SELECT tgname, pg_get_triggerdef(pg_trigger.oid) || prosrc FROM pg_trigger "
        "JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal"
    )
    query = on_sqlite if connection.dialect.name == "sqlite" else on_postgresql
    return {name: " ".join(body.split()) for name, body in connection.execute(text(query))}
