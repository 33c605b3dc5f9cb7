"""The worker's one slot: hints and a clock both drain the queue, and never two trainers run at once."""

import logging
import threading
import time

from celery import Celery

from studio import runs
from studio.db import transaction
from studio.ids import ID_PATTERN
from studio.queue import TRAIN_TASK
from studio.wire import WireMessage
from worker import health
from worker.bench import Bench
from worker.keeper import DATABASE_AWAY
from worker.supervise import supervise

log = logging.getLogger(__name__)

POLL_SECONDS = 30.0
HEARTBEAT_LIFETIME_SECONDS = 30


class Slot:
    """One trainer at a time."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._lock = threading.Lock()

    def drain(self) -> int:
        """Claim and supervise, oldest first, until nothing is ready; returns how many runs that were."""
        count = 0
        with self._lock:
            while not self._bench.stopping.is_set() and (lease := self._claim()) is not None:
                supervise(self._bench, lease)
                count += 1
        return count

    def _claim(self) -> runs.Lease | None:
        try:
            with transaction(self._bench.session_factory) as session:
                return runs.claim_next(session, self._bench.owner)
        except DATABASE_AWAY as error:
            log.warning("No run was claimed: the database does not answer (%s).", type(error).__name__)
            return None


def add_task(celery: Celery, slot: Slot) -> None:
    """Make the task that a hint starts; its id is only a hint, so a forged one costs a SELECT or nothing."""

    @celery.task(name=TRAIN_TASK, ignore_result=True, typing=False)  # type: ignore[untyped-decorator]
    def train_run(run_id: object = None, *_: object, **__: object) -> None:
        if isinstance(run_id, str) and ID_PATTERN.fullmatch(run_id):
            slot.drain()
        else:
            log.warning("A message without a run's id was dropped.")


class Rounds:
    """What a worker does by the clock: signs of life, taking back silent runs, looking for ready ones."""

    def __init__(self, bench: Bench, slot: Slot, *, reap_after_seconds: float = runs.LEASE_SECONDS) -> None:
        self._bench = bench
        self._slot = slot
        self._grace_seconds = reap_after_seconds
        # After a start or an outage other workers may not have renewed yet.
        self._reap_from = time.monotonic() + reap_after_seconds
        self._look_again = threading.Event()
        self._threads = [
            threading.Thread(target=self._make_rounds, name="rounds"),
            threading.Thread(target=self._look, name="look"),
        ]

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for both, once the worker is stopping."""
        self._look_again.set()
        for thread in self._threads:
            thread.join()

    def _make_rounds(self) -> None:
        looked = time.monotonic()
        while True:
            health.beat(self._bench.settings.data_dir)
            self._bench.wire.beat(self._bench.owner, HEARTBEAT_LIFETIME_SECONDS)
            if self._reap() or time.monotonic() - looked >= POLL_SECONDS:
                self._look_again.set()
                looked = time.monotonic()
            if self._bench.stopping.wait(health.BEAT_SECONDS):
                return

    def _reap(self) -> bool:
        if time.monotonic() < self._reap_from:
            return False
        try:
            with transaction(self._bench.session_factory) as session:
                touched = runs.reap(session)
        except DATABASE_AWAY:
            self._reap_from = time.monotonic() + self._grace_seconds
            return False
        for run_id in touched:
            log.warning("%s: its worker fell silent; the run was taken back.", run_id)
            self._bench.wire.publish(run_id, [WireMessage("changed", {})])
        return bool(touched)

    def _look(self) -> None:
        while not self._bench.stopping.is_set():
            self._slot.drain()
            self._look_again.wait()
            self._look_again.clear()
