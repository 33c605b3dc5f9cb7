"""Keeps a run's lease while its worker is busy, and hears what the person desires."""

import logging
import threading
import time
from types import TracebackType
from typing import Literal

from sqlalchemy.exc import InterfaceError, OperationalError

from studio import runs
from studio.db import SessionFactory, reading, transaction

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
RENEW_SECONDS = 10.0

Ending = Literal["cancelled", "lost", "stopped"]
# What is raised while the database is away: restarted, or locked for longer than its timeout.
DATABASE_AWAY = (OperationalError, InterfaceError)


class Interrupted(Exception):
    """Work on the run ends now; `ending` says why."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending: Ending = ending


class Keeper:
    """A thread that looks every second and renews every ten; looking takes no write lock on SQLite."""

    def __init__(self, session_factory: SessionFactory, lease: runs.Lease, stopping: threading.Event) -> None:
        self._session_factory = session_factory
        self._lease = lease
        self._stopping = stopping
        self._heard: Ending | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"keeper-{lease.run_id}", daemon=True)

    def __enter__(self) -> "Keeper":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Raise Interrupted when the run was cancelled or lost, or the worker is stopping."""
        if self._heard is not None:
            raise Interrupted(self._heard)
        if self._stopping.is_set():
            raise Interrupted("stopped")

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until the worker stops; raises like `check`."""
        self._stopping.wait(seconds)
        self.check()

    def _keep(self) -> None:
        renewed = time.monotonic()
        while not self._over.wait(LOOK_SECONDS) and self._heard is None:
            try:
                self._look()
                if time.monotonic() - renewed >= RENEW_SECONDS:
                    with transaction(self._session_factory) as session:
                        runs.renew(session, self._lease)
                    renewed = time.monotonic()
            except runs.LeaseLost:
                self._heard = "lost"
            except DATABASE_AWAY as error:
                # Training goes on: every visible write is fenced, and the events file keeps what is not written yet.
                log.warning("%s: the database does not answer (%s).", self._lease.run_id, type(error).__name__)

    def _look(self) -> None:
        with reading(self._session_factory) as session:
            if runs.read_desire(session, self._lease) == "cancel":
                self._heard = "cancelled"
