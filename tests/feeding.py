"""A run whose worker is the test: it records behind a real lease and pokes, or leaves the poke out."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy.orm import Session

from studio import runs
from studio.db import SessionFactory, reading, transaction
from studio.runs import Event
from studio.runs.events import Checkpointed, Measured
from studio.wire import Wire


def run_in_thread(coroutine: Coroutine[Any, Any, None]) -> None:
    """`asyncio.run` in a thread of its own: Playwright keeps a loop running in the main one once it was used."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, coroutine).result()


class Feed:
    """What a supervisor does with the database and the wire, without a trainer."""

    def __init__(self, session_factory: SessionFactory, run_id: str, wire: Wire | None = None) -> None:
        self.run_id = run_id
        self._session_factory = session_factory
        self._wire = wire
        self.claim()

    @property
    def last_seq(self) -> int:
        """The run's newest number."""
        with reading(self._session_factory) as session:
            return session.get_one(runs.Run, self.run_id).last_seq

    def claim(self) -> None:
        """Take the run, as a worker does when it is ready."""
        with transaction(self._session_factory) as session:
            lease = runs.claim(session, self.run_id, "the test")
        assert lease is not None
        self.lease = lease

    def record(self, *events: Event, is_heard: bool = True) -> None:
        """Store events as one batch, then poke."""
        with transaction(self._session_factory) as session:
            runs.record(session, self.lease, events)
        if self._wire and is_heard:
            self._wire.poke(self.run_id)

    def measure(self, steps: Sequence[int], name: str = "train/loss", *, is_heard: bool = True) -> None:
        """One metric at these steps, as one batch."""
        self.record(*(Measured(step=step, values={name: 3 / (1 + step)}) for step in steps), is_heard=is_heard)

    def commit_checkpoint(self, step: int) -> None:
        """Name a checkpoint as the committed one; no files belong to it."""
        self.record(Checkpointed(step=step, manifest_sha256="0" * 64, size_bytes=1))

    def resume(self) -> None:
        """Hand the run back and take it anew, behind its checkpoint."""
        self.write(lambda session: runs.hand_back(session, self.lease, "The worker stopped."))
        self.claim()

    def end(self, status: str = "cancelled") -> None:
        """End the run without a word to anyone."""
        self.write(lambda session: runs.end(session, self.lease, status))

    def write(self, action: Callable[[Session], object]) -> None:
        """Do something in a transaction."""
        with transaction(self._session_factory) as session:
            action(session)

    def visible(self, name: str = "train/loss") -> list[int]:
        """The steps that SQL shows, in their order."""
        with reading(self._session_factory) as session:
            run = session.get_one(runs.Run, self.run_id)
            return [point.step for point in runs.read_series(session, run, name)]
