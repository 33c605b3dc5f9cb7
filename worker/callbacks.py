"""Tells what happens during training: metrics of each step, evaluations, sample answers, progress."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from studio.errors import StudioError
from studio.runs import Plan
from studio.runs.events import Answer, Answered, BestMoved, Measured, Progressed, encode_value
from worker.checkpoint import Checkpoints
from worker.evaluate import Validation
from worker.event_log import EventLog

# What the trainer logs, and what the studio calls it.
TRAIN_METRICS = {
    "loss": "train/loss",
    "grad_norm": "train/grad_norm",
    "learning_rate": "train/learning_rate",
    "mean_token_accuracy": "train/mean_token_accuracy",
}


class NonFinite(StudioError):
    """Training has gone to infinity or NaN, so further steps are wasted."""

    code = "non_finite"


class Reporter(TrainerCallback):  # type: ignore[misc]
    """Holds the pace of a run and its best evaluation."""

    def __init__(
        self,
        events: EventLog,
        plan: Plan,
        checkpoints: Checkpoints,
        *,
        peak_memory: Callable[[], float],
        validate: Callable[[], Validation | None],
        answer: Callable[[], list[Answer]],
        first_loss: Callable[[], float],
    ) -> None:
        self._events = events
        self._plan = plan
        self.checkpoints = checkpoints
        self._peak_memory = peak_memory
        self._validate = validate
        self._answer = answer
        self._first_loss = first_loss
        self._logged_at = time.monotonic()
        self._logged_tokens = 0.0
        self._logged_step = 0
        self._evaluating_seconds = 0.0
        self._evaluations = 0
        self._step_seconds = 0.0
        self.points: list[tuple[int, str, float]] = []
        self.best: tuple[int, float] | None = None
        self.last_loss: float | None = None
        self.model: Any = None

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
            first = {"train/loss": self._first_loss()}
            self._tell(1, first)
            _refuse_non_finite(1, first)
            self.measure(0)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any) -> None:
        """Ask for an evaluation when one is due, and always after the last step."""
        step = state.global_step
        control.should_evaluate = step % self._plan.evaluate_every == 0 or step == self._plan.steps

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **parts: Any,
    ) -> None:
        """Tell the metrics of a step and how far the run is; raises NonFinite when the loss or gradient is not."""
        if logs is None or "loss" not in logs:
            return
        step = state.global_step
        values = {name: float(logs[key]) for key, name in TRAIN_METRICS.items() if key in logs}
        rate = self._pace(step, logs.get("num_tokens", 0.0))
        told = {name: value for name, value in values.items() if step > 1 or name != "train/loss"}
        self._tell(step, told | {"train/tokens_per_second": rate})
        self._events.emit(
            Progressed(
                step=step,
                total_steps=self._plan.steps,
                seconds_left=self._seconds_left(step),
                tokens_per_second=rate,
                peak_memory_bytes=self._peak_memory(),
            )
        )
        _refuse_non_finite(step, values)

    def measure(self, step: int) -> None:
        """Validation loss and sample answers; after a step, keep the weights and say if they are the best."""
        began = time.monotonic()
        self._events.begin("evaluating")
        training = self.model.training
        self.model.eval()
        found = self._validate()
        if found is not None:
            self.last_loss = found.loss
            self._tell(step, {"eval/loss": found.loss, "eval/mean_token_accuracy": found.accuracy})
        if answers := self._answer():
            self._events.emit(Answered(step=step, answers=answers))
        self.model.train(training)
        if step > 0:
            self._keep(step)
        if step < self._plan.steps:
            self._events.begin("training")
        self._evaluations += 1
        seconds = time.monotonic() - began
        self._evaluating_seconds += seconds
        self._logged_at += seconds

    def _keep(self, step: int) -> None:
        """The untrained model is never the best: a run shall hand over something that was trained."""
        self.checkpoints.save_last(self.model)
        loss = self.last_loss
        if loss is None or not math.isfinite(loss) or (self.best and loss >= self.best[1]):
            return
        self.best = (step, loss)
        self.checkpoints.mark_best()
        self._events.emit(BestMoved(step=step, validation_loss=loss))

    def _tell(self, step: int, values: Mapping[str, float]) -> None:
        self._events.emit(Measured(step=step, values={name: encode_value(value) for name, value in values.items()}))
        self.points += [(step, name, value) for name, value in values.items()]

    def _pace(self, step: int, tokens: float) -> float:
        """Tokens per second since the last log, without the time that evaluations took."""
        now = time.monotonic()
        seconds = max(now - self._logged_at, 1e-6)
        rate = (tokens - self._logged_tokens) / seconds
        latest = seconds / max(1, step - self._logged_step)
        # A moving mean over about ten logs: calm enough to read, quick enough to follow a busy machine.
        self._step_seconds = latest if self._logged_step == 0 else 0.9 * self._step_seconds + 0.1 * latest
        self._logged_at, self._logged_tokens, self._logged_step = now, tokens, step
        return rate

    def _seconds_left(self, step: int) -> float:
        evaluation = self._evaluating_seconds / max(1, self._evaluations)
        evaluations_left = max(0, self._plan.evaluations - self._evaluations)
        return (self._plan.steps - step) * self._step_seconds + evaluations_left * evaluation


def _refuse_non_finite(step: int, values: Mapping[str, float]) -> None:
    for name, words in (("train/loss", "loss"), ("train/grad_norm", "gradient")):
        value = values.get(name, 0.0)
        if not math.isfinite(value):
            what = "NaN" if math.isnan(value) else "infinite"
            raise NonFinite(
                f"The {words} became {what} at step {step}. Lower the learning rate, by half or more, and run again."
            )
