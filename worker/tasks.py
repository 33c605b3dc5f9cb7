"""The worker's one slot: hints and a clock both drain the queue, and never two trainers run at once."""

import logging
import threading

from celery import Celery

from studio import runs
from studio.db import DATABASE_AWAY, transaction
from studio.ids import ID_PATTERN
from studio.queue import TRAIN_TASK
from worker import gpu
from worker.bench import Bench
from worker.supervise import supervise

log = logging.getLogger(__name__)


class Slot:
    """One trainer at a time. `run_id` and `note` say what it is at, for the worker's row."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._lock = threading.Lock()
        self.run_id: str | None = None
        self.note = ""

    def drain(self) -> int:
        """Claim and supervise, oldest first, until nothing is ready; returns how many attempts that were."""
        count = 0
        with self._lock:
            while not self._bench.stopping.is_set() and (lease := self._claim()) is not None:
                self._supervise(lease)
                count += 1
        return count

    def is_idle(self) -> bool:
        """Whether nothing is claimed or about to be."""
        return not self._lock.locked()

    def close(self) -> bool:
        """Claim nothing ever again; False when something is going on."""
        return self._lock.acquire(blocking=False)

    def _supervise(self, lease: runs.Lease) -> None:
        self.run_id = lease.run_id
        try:
            supervise(self._bench, lease)
        except Exception:
            # The task's edge: the run goes on when its lease is over, and this worker with the next run now.
            log.exception("%s: the attempt was given up", lease.run_id)
        finally:
            self.run_id = None

    def _claim(self) -> runs.Lease | None:
        note = gpu.why_not(self._bench.settings.gpu)
        if note != self.note:
            log.warning("%s", note or "The GPU can be used again.")
            self.note = note
        if note:
            return None
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
