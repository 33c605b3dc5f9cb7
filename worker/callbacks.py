"""Tells what happens during training: metrics of each step, evaluations, sample answers, progress."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from studio.budget.watching import Watch
from studio.runs import Event, Plan
from studio.runs.events import Alerted, Answer, Answered, BestMoved, Measured, Progressed, encode_value
from worker.checkpoint import Checkpoints
from worker.evaluate import Validation
from worker.event_log import EventLog
from worker.finite import refuse_non_finite
from worker.guard import Guard, OutOfTime
from worker.state import Best, Report

_Found = TypeVar("_Found")
# What the trainer logs, and what the studio calls it.
TRAIN_METRICS = {
    "loss": "train/loss",
    "grad_norm": "train/grad_norm",
    "learning_rate": "train/learning_rate",
    "mean_token_accuracy": "train/mean_token_accuracy",
}


class Reporter(TrainerCallback):
    """Tells metrics, holds the pace of a run and its best evaluation; `report` is all that it must remember."""

    def __init__(
        self,
        events: EventLog,
        plan: Plan,
        checkpoints: Checkpoints,
        report: Report,
        guard: Guard,
        watch: Watch,
        *,
        peak_memory: Callable[[], float],
        validate: Callable[[], Validation | None],
        answer: Callable[[], list[Answer]],
        first_loss: Callable[[], float],
    ) -> None:
        self.report = report
        self.measuring = False
        self.measured_step: int | None = None
        self.model: Any = None
        self._events = events
        self._plan = plan
        self._checkpoints = checkpoints
        self._guard = guard
        self._watch = watch
        for point in report.points:
            watch.hear(*point)
        self._peak_memory = peak_memory
        self._validate = validate
        self._answer = answer
        self._first_loss = first_loss
        self._logged_at = time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any
    ) -> None:
        """Start the clock."""
        self.model = parts["model"]
        self._logged_at = time.monotonic()

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any
    ) -> None:
        """At the first step, tell its loss and then measure the untrained model.

        The gradients are there and the weights have not moved yet, so the first point of the chart need not wait
        for the first evaluation, which takes as long as several steps.
        """
        if state.global_step == 0:
            self._emit(self._measured(1, {"train/loss": self._first_loss()}))
            self.measure(0)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any) -> None:
        """Ask for an evaluation when one is due, and after the last step."""
        self._guard.stepped(state.global_step)
        control.should_evaluate = self._guard.evaluates(state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **parts: Any,
    ) -> None:
        """Tell the metrics of a step and how far the run is."""
        if logs is None or "loss" not in logs:
            return
        step = state.global_step
        values = {name: float(logs[key]) for key, name in TRAIN_METRICS.items() if key in logs}
        rate = self._pace(step, logs.get("num_tokens", 0.0))
        told = {name: value for name, value in values.items() if step > 1 or name != "train/loss"}
        self._emit(
            self._measured(step, told, unkept={"train/tokens_per_second": rate}),
            Progressed(
                step=step,
                total_steps=self._plan.steps,
                seconds_left=self.report.seconds_left(self._plan, step),
                tokens_per_second=rate,
                peak_memory_bytes=self._peak_memory(),
            ),
        )

    def refuse(self, step: int, loss: float, gradient: float | None = None) -> None:
        """Show a loss or gradient that is no number at its step, and raise NonFinite; others pass."""
        found = {"train/loss": loss} | ({} if gradient is None else {"train/grad_norm": gradient})
        if not all(math.isfinite(value) for value in found.values()):
            self._emit(self._measured(step, found))
        refuse_non_finite(step, "loss", loss)
        refuse_non_finite(step, "gradient", 0.0 if gradient is None else gradient)

    def measure(self, step: int) -> None:
        """Validation loss and sample answers; after a step, keep the weights if they are the best.

        Everything is told together at the end, so that whoever leaves in between leaves nothing half told. What would
        pass the cap is given up.
        """
        began = time.monotonic()
        self._events.begin("evaluating")
        training, self.measuring = self.model.training, True
        self.model.eval()
        found, answers = _in_time(self._validate, None), _in_time(self._answer, [])
        self.model.train(training)
        told: list[Event] = []
        if found is not None:
            self.report.last_loss = found.loss
            told.append(self._measured(step, {"eval/loss": found.loss, "eval/mean_token_accuracy": found.accuracy}))
        if answers:
            told.append(Answered(step=step, answers=answers))
        if found is not None and self._is_best(step, found.loss):
            self._checkpoints.keep_best(self.model, step)
            self.report.best = Best(step=step, loss=found.loss)
            told.append(BestMoved(step=step, validation_loss=found.loss))
        self.measuring, self.measured_step = False, step
        self._emit(*told)
        if step < self._plan.steps:
            self._events.begin("training")
        self._count_evaluation(time.monotonic() - began)

    def _is_best(self, step: int, loss: float) -> bool:
        """The untrained model is never the best: a run shall hand over something that was trained."""
        best = self.report.best
        return step > 0 and math.isfinite(loss) and (best is None or loss < best.loss)

    def _measured(self, step: int, values: Mapping[str, float], unkept: Mapping[str, float] | None = None) -> Measured:
        """The event of these values; `unkept` ones are told, but are no part of the run's history."""
        for name, value in values.items():
            self.report.points.append((step, name, value))
            self._watch.hear(step, name, value)
        told = {**values, **(unkept or {})}
        return Measured(step=step, values={name: encode_value(value) for name, value in told.items()})

    def _emit(self, *events: Event) -> None:
        """Tell them, and what they have made the curves show; after a break also what was shown before it."""
        alerts = [Alerted(kind=found.kind, step=found.step, facts=found.facts) for found in self._watch.look()]
        self._events.emit(*events, *alerts)

    def _count_evaluation(self, seconds: float) -> None:
        self.report.evaluations += 1
        self.report.evaluating_seconds += seconds
        self._guard.evaluated(seconds)
        self._logged_at += seconds

    def _pace(self, step: int, tokens: float) -> float:
        """Tokens per second since the last log, without the time that evaluations took."""
        now, report = time.monotonic(), self.report
        seconds = max(now - self._logged_at, 1e-6)
        rate = (tokens - report.logged_tokens) / seconds
        latest = seconds / max(1, step - report.logged_step)
        # A moving mean over about ten logs: calm enough to read, quick enough to follow a busy machine.
        report.step_seconds = latest if report.logged_step == 0 else 0.9 * report.step_seconds + 0.1 * latest
        self._logged_at, report.logged_tokens, report.logged_step = now, tokens, step
        return rate


def _in_time(measure: Callable[[], _Found], otherwise: _Found) -> _Found:
    """What is found, unless the cap comes first."""
    try:
        return measure()
    except OutOfTime:
        return otherwise
