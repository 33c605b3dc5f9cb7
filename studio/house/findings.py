"""What keeping house works on, and what it finds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studio.db import SessionFactory, make_engine, make_session_factory
from studio.errors import StartupError
from studio.settings import Settings
from studio.storage import LocalStorage, Storage


@dataclass(frozen=True, slots=True)
class House:
    """The database, the stored files and the folders of runs that belong together."""

    settings: Settings
    session_factory: SessionFactory
    storage: Storage

    def shown(self, path: Path) -> str:
        """A path as it is told: within the data folder."""
        folder = self.settings.data_dir
        return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. `mend` puts it right and says whether it did; None: nobody can here."""

    sentence: str
    remedy: str
    mend: Callable[[], bool] | None = None


@contextmanager
def open_house(settings: Settings) -> Iterator[House]:
    """The house of these settings; raises StartupError unless its database has the newest schema."""
    # Alembic takes 10 MB, and the website imports this module.
    from studio import migrate

    found = migrate.current(settings.sqlalchemy_url)
    if found != migrate.newest():
        said = "There is no database yet" if found is None else "The database has another schema than this version"
        raise StartupError(f"{said}. Run tunewright migrate first.")
    engine = make_engine(settings.sqlalchemy_url)
    try:
        yield House(settings, make_session_factory(engine), LocalStorage(settings.storage_dir))
    finally:
        engine.dispose()
