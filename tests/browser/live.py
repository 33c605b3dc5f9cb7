"""A studio as processes of its own: the website, and a worker if asked, on an empty data folder."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from studio.db import SessionFactory, make_engine, make_session_factory
from studio.listening import listen, url_of
from studio.migrate import upgrade
from studio.settings import Settings
from studio.storage import LocalStorage

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class LiveStudio:
    """Where the studio answers, and its rows and files for a test to write to."""

    url: str
    settings: Settings
    session_factory: SessionFactory
    storage: LocalStorage
    website: "Website"


class Website:
    """The website's process on a socket that outlives it, as under the supervisor."""

    def __init__(self, settings: Settings, listening: socket.socket) -> None:
        self.url = url_of(listening).rstrip("/")
        self._settings = settings
        self._listening = listening
        self._running = ExitStack()

    def start(self) -> None:
        """Start it; connections wait in the socket until it accepts them."""
        number = self._listening.fileno()
        self._running.enter_context(running_process(self._settings, "app", f"--listen-fd={number}", keep=number))

    def stop(self) -> None:
        """End it and wait for its end."""
        self._running.close()


@contextmanager
def running_website(settings: Settings) -> Iterator[Website]:
    """The website alone, on a database that has its tables."""
    with listen(settings) as listening:
        website = Website(settings, listening)
        website.start()
        try:
            yield website
        finally:
            website.stop()


@contextmanager
def running_studio(redis_url: str, *, with_worker: bool, stand_in: str = "") -> Iterator[LiveStudio]:
    """The website, and a worker if asked, as processes of their own on an empty data folder.

    `stand_in` names what the worker runs in place of training; it saves after every 50 steps.
    """
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    with tempfile.TemporaryDirectory(prefix="tw-browser-") as folder, ExitStack() as stack:
        settings = Settings(data_dir=Path(folder), port=0, redis_url=redis_url)
        upgrade(settings.sqlalchemy_url)
        engine = make_engine(settings.sqlalchemy_url)
        stack.callback(engine.dispose)
        website = stack.enter_context(running_website(settings))
        if stand_in:
            stack.enter_context(running_process(settings, "tests.worker.small_worker", stand_in))
        elif with_worker:
            stack.enter_context(running_process(settings, "worker"))
        yield LiveStudio(
            url=website.url,
            settings=settings,
            session_factory=make_session_factory(engine),
            storage=LocalStorage(settings.storage_dir),
            website=website,
        )


@contextmanager
def running_process(settings: Settings, module: str, *arguments: str, keep: int | None = None) -> Iterator[None]:
    """A program of the studio with these settings; it is ended with the block."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TUNEWRIGHT_")}
    given = {"DATA_DIR": settings.data_dir, "REDIS_URL": settings.redis_url, "DATABASE_URL": settings.database_url}
    chosen = {f"TUNEWRIGHT_{name}": str(value) for name, value in given.items() if value is not None}
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / f"{module}.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=log,
            stderr=log,
            cwd=settings.data_dir,
            env=plain | chosen | {"TUNEWRIGHT_CHECKPOINT_STEPS": "50", "PYTHONPATH": str(ROOT)},
            pass_fds=() if keep is None else (keep,),
        )
        try:
            yield
        finally:
            child.terminate()
            child.wait(30)
