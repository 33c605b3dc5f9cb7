"""Decides when a run is worth a checkpoint, writes it, and tells."""

import logging
import time
from collections.abc import Callable
from typing import Any

from studio.runs.events import Checkpointed
from worker.assignment import Assignment
from worker.callbacks import Reporter
from worker.checkpoint import Checkpoints, is_finite
from worker.event_log import EventLog
from worker.finite import refuse_non_finite
from worker.guard import Guard
from worker.hardware import Threads
from worker.leaving import Orders
from worker.pace import Pace
from worker.state import DataReference, State
from worker.trainer import AnswerTrainer

log = logging.getLogger(__name__)


class Saver:
    """Saves at the boundary behind an optimizer step, and only there."""

    def __init__(
        self,
        assignment: Assignment,
        guard: Guard,
        events: EventLog,
        checkpoints: Checkpoints,
        orders: Orders,
        threads: Threads,
        *,
        reference: DataReference,
        saved_step: int,
        describe: Callable[[], dict[str, Any]],
        pace: Pace,
    ) -> None:
        """`describe` gives the resolved config; `saved_step` is where the run goes on from, 0 at its beginning."""
        self.trainer: AnswerTrainer
        self.reporter: Reporter
        self._assignment = assignment
        self._guard = guard
        self._events = events
        self._checkpoints = checkpoints
        self._orders = orders
        self._threads = threads
        self._reference = reference
        self._describe = describe
        self._timed_save = pace.timed("checkpoint", self.save)
        self._saved_step = saved_step
        self._saved_at = time.monotonic()

    def settle(self, step: int) -> bool:
        """After a step and its evaluation: save when it is time; returns whether training ends here."""
        is_last = self._guard.settle(step)
        if is_last and self.reporter.measured_step != step and self._guard.may_measure():
            # That it is the last one was not known yet when the step asked whether an evaluation is due.
            self.reporter.measure(step)
        if is_last or self._is_due(step):
            self._timed_save()
        self._orders.poll()
        if is_last:
            self._guard.tell(step)
        self._guard.go_on()
        return is_last

    def save(self) -> None:
        """Write a checkpoint of the last whole step; raises NonFinite when its weights are no numbers."""
        began = time.monotonic()
        trainer, report = self.trainer, self.reporter.report
        step = trainer.state.global_step
        if not is_finite(trainer.model):
            refuse_non_finite(step, "weights", float("nan"))
        state = State(
            step=step,
            data=self._reference,
            threads=self._threads.wanted,
            pending_evaluation=self.reporter.measuring,
            counters=trainer.counters(),
            report=report,
            resolved=self._describe(),
        )
        facts = {"run": self._assignment.run_id, "epoch": self._assignment.epoch}
        manifest_sha256, size = self._checkpoints.write(
            trainer.model, trainer.optimizer, trainer.lr_scheduler, state, facts
        )
        self._threads.settle()
        self._saved_step, self._saved_at = step, time.monotonic()
        self._guard.saved(self._saved_at - began)
        log.info("Checkpoint of step %d: %d bytes.", step, size)
        self._events.emit(
            Checkpointed(
                step=step,
                manifest_sha256=manifest_sha256,
                size_bytes=size,
                best_step=report.best.step if report.best else None,
                best_validation_loss=report.best.loss if report.best else None,
            )
        )

    def save_before_leaving(self) -> None:
        """Save what is not saved yet: the last whole step, without the passes that were made since."""
        if self.trainer.state.global_step > self._saved_step:
            self.save()

    def _is_due(self, step: int) -> bool:
        asked = self._assignment
        waited = time.monotonic() - self._saved_at
        settles = self._threads.wanted != self._threads.count
        return step - self._saved_step >= asked.checkpoint_steps or waited >= asked.checkpoint_seconds or settles
