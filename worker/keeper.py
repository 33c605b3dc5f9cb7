"""Keeps a run's lease while its worker is busy, and hears what the person desires."""

import logging
import threading
import time
from types import TracebackType
from typing import Literal

from studio import runs
from studio.db import DATABASE_AWAY, SessionFactory, reading, transaction

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0

# What ends work on a run before its end; `stopped` is the worker itself being asked to leave, `cap` is what the run
# may cost.
Ending = Literal["cancel", "pause", "keep", "lost", "leave", "stopped", "cap"]
Verdict = Literal["go_on"] | Ending


class Keeper:
    """A thread that looks every second and renews every ten; looking takes no write lock on SQLite."""

    def __init__(self, session_factory: SessionFactory, lease: runs.Lease, stopping: threading.Event) -> None:
        self._session_factory = session_factory
        self._lease = lease
        self._stopping = stopping
        self._holder = runs.Holder(time.monotonic())
        self._is_away = False
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

    def verdict(self) -> Verdict:
        """What the holder of the lease shall do; a cancellation or a lost lease outweighs a stopping worker."""
        verdict = self._holder.verdict(time.monotonic())
        if verdict in ("lost", "cancel") or not self._stopping.is_set():
            return verdict
        return "stopped"

    def is_worker_stopping(self, within_seconds: float) -> bool:
        """Whether the worker is asked to leave within that time."""
        return self._stopping.wait(within_seconds)

    def _keep(self) -> None:
        while not self._over.wait(LOOK_SECONDS) and self._holder.verdict(time.monotonic()) != "lost":
            try:
                self._look()
            except runs.LeaseLost:
                self._holder.refused()
            except DATABASE_AWAY as error:
                self._tell_away(error)

    def _look(self) -> None:
        with reading(self._session_factory) as session:
            self._holder.hear(runs.read_desire(session, self._lease), time.monotonic())
        if self._holder.must_renew(time.monotonic()):
            with transaction(self._session_factory) as session:
                runs.renew(session, self._lease)
            self._holder.renewed(time.monotonic())
        if self._is_away:
            log.info("%s: the database answers again.", self._lease.run_id)
            self._is_away = False

    def _tell_away(self, error: Exception) -> None:
        """Once an outage. Training goes on: every visible write is fenced, and the events file keeps the rest."""
        if not self._is_away:
            log.warning("%s: the database does not answer (%s).", self._lease.run_id, type(error).__name__)
        self._is_away = True
