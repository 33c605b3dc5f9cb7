"""Ties model, rows, trainer, reporter and checkpoints of an attempt together."""

import functools
from dataclasses import dataclass, field
from typing import Any

from studio.budget.watching import Watch, course_of
from studio.runs import Plan
from studio.runs.folders import CHECKPOINTS
from worker.assignment import Assignment
from worker.callbacks import Reporter
from worker.capped import deadline_of
from worker.checkpoint import Checkpoints
from worker.evaluate import answer_samples, validate, validation_batches
from worker.event_log import EventLog
from worker.guard import Guard
from worker.hardware import Hardware, Threads, peak_memory_bytes
from worker.leaving import Orders
from worker.model import Loaded, Weights
from worker.pace import Pace
from worker.preflight import BYTES_PER_WEIGHT, preflight
from worker.prepared import RunRows
from worker.resolved import resolved
from worker.resume import Beginning, Saved
from worker.saver import Saver
from worker.state import Report
from worker.trainer import AnswerTrainer, build_trainer, usable_optimizer


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt works with; `start` is set for an adapter that has changed its base."""

    assignment: Assignment
    plan: Plan
    hardware: Hardware
    threads: Threads
    loaded: Loaded
    start: Weights | None
    checkpoints: Checkpoints
    events: EventLog
    orders: Orders
    pace: Pace = field(default_factory=Pace)

    @property
    def max_length(self) -> int:
        """The longest row in tokens: what the spec says, unless the base model's context is shorter."""
        asked = self.assignment.spec.data.max_length_tokens
        context = self.loaded.config.get("max_position_embeddings") or asked
        return min(asked, int(context) - self.loaded.virtual_tokens)

    def describe(self, rows: RunRows) -> dict[str, Any]:
        """The resolved config."""
        return resolved(self.assignment, self.plan, self.hardware, self.loaded, rows, self.max_length)

    def measured(self, rows: RunRows) -> dict[str, Any]:
        """What the attempt took, for the estimates of later runs: seconds by phase, its pace, the most memory."""
        return {
            "rows": rows.measures(),
            "seconds": self.events.seconds_by_phase(),
            "pace": self.pace.facts(),
            "peak_memory_bytes": peak_memory_bytes(self.hardware),
            "threads_used": self.threads.count,
        }

    def pause(self) -> None:
        """Between two passes: look after the threads, show life, and leave when that was asked for."""
        self.threads.watch()
        self.events.show_life()
        self.orders.poll()


def assemble(attempt: Attempt, rows: RunRows, saved: Saved | None) -> tuple[AnswerTrainer, Reporter, Saver]:
    """A trainer that begins where `saved` ends, who tells of it and who saves it."""
    state = saved.state if saved else None
    step = state.step if state else 0
    report = state.report.model_copy(deep=True) if state else Report()
    deadline = deadline_of(attempt.assignment, attempt.loaded.model, attempt.hardware)
    guard = Guard(attempt.assignment, attempt.plan, report, attempt.orders, attempt.events, deadline)
    saver = build_saver(attempt, rows, step, guard)
    reporter = build_reporter(attempt, rows, report, saver, guard)
    beginning = Beginning(
        saver,
        saved,
        attempt.events,
        guard,
        describe=functools.partial(attempt.describe, rows),
        preflight=functools.partial(try_longest_batch, attempt, rows, saver),
    )
    trainer = build_trainer(
        attempt.assignment.spec,
        attempt.plan,
        attempt.hardware,
        step,
        callbacks=[reporter, beginning, attempt.pace],
        output_dir=str(attempt.events.folder / CHECKPOINTS),
        model=attempt.loaded.model,
        processing_class=attempt.loaded.tokenizer,
        train_dataset=rows.train,
        measure=reporter.measure,
        settle=saver.settle,
        refuse=reporter.refuse,
        between=attempt.pause,
        count_tokens=attempt.pace.count_tokens,
    )
    saver.trainer, saver.reporter = trainer, reporter
    trainer.state.global_step = step
    return trainer, reporter, saver


def build_reporter(attempt: Attempt, rows: RunRows, report: Report, saver: Saver, guard: Guard) -> Reporter:
    """The reporter, with the evaluation of the model that the saver's trainer holds by then."""

    def _pause() -> None:
        attempt.pause()
        guard.check()

    spec, tokenizer = attempt.assignment.spec, attempt.loaded.tokenizer
    batches = validation_batches(rows.validation, tokenizer.pad_token_id, spec.hyperparameters.batch_size)
    attempt.pace.evaluating = lambda: report.evaluating_seconds
    return Reporter(
        attempt.events,
        attempt.plan,
        attempt.checkpoints,
        report,
        guard,
        Watch(course_of(spec, attempt.plan)),
        peak_memory=functools.partial(peak_memory_bytes, attempt.hardware),
        validate=attempt.pace.timed(
            "validation",
            lambda: validate(saver.trainer.model, batches, saver.trainer.losses, _pause),
            counts=bool(batches),
        ),
        answer=attempt.pace.timed(
            "answers",
            lambda: answer_samples(
                saver.trainer.model,
                tokenizer,
                rows.samples,
                spec.evaluation.sample_tokens,
                together=not attempt.loaded.virtual_tokens,
                between=_pause,
            ),
            counts=bool(rows.samples),
        ),
        first_loss=lambda: saver.trainer.step_loss,
    )


def build_saver(attempt: Attempt, rows: RunRows, step: int, guard: Guard) -> Saver:
    """The saver of this attempt."""
    return Saver(
        attempt.assignment,
        guard,
        attempt.events,
        attempt.checkpoints,
        attempt.orders,
        attempt.threads,
        reference=rows.reference,
        saved_step=step,
        pace=attempt.pace,
        describe=functools.partial(attempt.describe, rows),
    )


def try_longest_batch(attempt: Attempt, rows: RunRows, saver: Saver) -> None:
    """On a GPU only: elsewhere memory that is short is swapped, and the pass would cost as much as a step."""
    if not attempt.hardware.on_gpu:
        return
    chosen, trainer = attempt.assignment.spec.hyperparameters, saver.trainer
    batch = trainer.data_collator(rows.longest(chosen.batch_size))
    # A resumed run's optimizer has its state already.
    share = 0.0 if trainer.state.global_step else BYTES_PER_WEIGHT[usable_optimizer(chosen.optimizer, attempt.hardware)]
    preflight(trainer.model_wrapped, trainer.losses, batch, bytes_per_weight=share)
