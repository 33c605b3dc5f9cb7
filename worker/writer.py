"""Writes of one attempt into SQL, which outlive a database that is away; those who watch are poked."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from studio import runs
from studio.db import DATABASE_AWAY, transaction
from studio.runs import Event
from studio.runs.events import Checkpointed
from worker.bench import Bench
from worker.keeper import Keeper

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
_POLL_SECONDS = 0.05
_Result = TypeVar("_Result")


class Unwritten(Exception):
    """The database is away and the worker must leave; the lease runs out, and nothing committed is lost."""


class Writer:
    """The only way of an attempt into the database: every action begins with the fence."""

    def __init__(self, bench: Bench, lease: runs.Lease, keeper: Keeper) -> None:
        self._bench = bench
        self._lease = lease
        self._keeper = keeper
        self._waiting: list[Event] = []
        self._try_at = 0.0

    def offer(self, events: list[Event]) -> bool:
        """Write a batch, or keep it for the next call while the database is away; whether all is written.

        Raises LeaseLost.
        """
        self._waiting += events
        if not self._waiting:
            return True
        if time.monotonic() < self._try_at:
            return False
        try:
            self._record()
        except DATABASE_AWAY as error:
            self._put_off(error)
            return False
        return True

    def write(self, action: Callable[[Session], _Result]) -> _Result:
        """Run `action` in a transaction, again and again while the database is away.

        Raises Unwritten once the worker must leave, LeaseLost when the fence refuses.
        """
        while True:
            try:
                with transaction(self._bench.session_factory) as session:
                    return action(session)
            except DATABASE_AWAY as error:
                self._put_off(error)
                self._wait(error)

    def finish(self) -> None:
        """Write what still waits; raises as `write`."""
        while not self.offer([]):
            self._wait(None)

    def poke(self) -> None:
        """Let the run's viewers look."""
        self._bench.wire.poke(self._lease.run_id)

    def _record(self) -> None:
        with transaction(self._bench.session_factory) as session:
            runs.record(session, self._lease, self._waiting)
        has_checkpoint = any(isinstance(event, Checkpointed) for event in self._waiting)
        self._waiting = []
        self.poke()
        if has_checkpoint:
            prune(self._bench, self._lease.run_id)

    def _put_off(self, error: Exception) -> None:
        log.warning("%s: not written yet (%s); tried again.", self._lease.run_id, type(error).__name__)
        self._try_at = time.monotonic() + RETRY_SECONDS

    def _wait(self, error: Exception | None) -> None:
        """Until the next try is due; a worker that must leave has had its one try."""
        while time.monotonic() < self._try_at:
            if self._keeper.verdict() in ("stopped", "leave"):
                raise Unwritten from error
            time.sleep(_POLL_SECONDS)


def prune(bench: Bench, run_id: str) -> None:
    """Remove checkpoints that are no longer needed; what cannot be removed now is removed after the next one."""
    settings = bench.settings
    try:
        runs.prune_checkpoints(bench.session_factory, settings.runs_dir, run_id, keep=settings.keep_checkpoints)
    except (*DATABASE_AWAY, OSError) as error:
        log.warning("%s: old checkpoints stay for now (%s).", run_id, type(error).__name__)
