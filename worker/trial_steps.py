"""The steps of a trial run: first the longest rows, then batches of the run's own order, each timed by its kind."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from studio.budget.trials import StepKind, StepTime
from studio.runs import RunSpec
from studio.runs.events import Measured, Progressed, encode_value
from studio.runs.plan import TRIAL_STEPS
from worker.event_log import EventLog
from worker.finite import refuse_non_finite
from worker.sampler import EndlessBatches

LONGEST_STEPS = ORDINARY_STEPS = TRIAL_STEPS // 2
# Quick steps vary: more of them cost little and steady the mean.
MOST_ORDINARY_STEPS = 50
ORDINARY_SECONDS = 6.0
# Slow steps: fewer will do, so that a trial takes about two minutes at most.
FEWEST_STEPS = 2
PHASE_SECONDS = 40.0
MOST_STEPS = LONGEST_STEPS + MOST_ORDINARY_STEPS
# Of so many batches the mean length is known well enough.
_COUNTED_BATCHES = 4_000
_METRICS = {"loss": "train/loss", "grad_norm": "train/grad_norm", "learning_rate": "train/learning_rate"}


class TrialBatches(Sampler[list[int]]):
    """Batches of the longest rows until it is told otherwise, then those that the run begins with.

    A loader asks for a batch ahead, so the kind of each is kept: a step may hold both.
    """

    def __init__(self, lengths: np.ndarray, spec: RunSpec) -> None:
        chosen = spec.hyperparameters
        self._longest_first = np.argsort(-lengths, kind="stable")
        self._batch_size = chosen.batch_size
        self._accumulation = chosen.gradient_accumulation_steps
        self._own = EndlessBatches(len(lengths), batch_size=chosen.batch_size, seed=chosen.seed, first=0, stop=2**40)
        self._kinds: list[StepKind] = []
        self._is_ordinary = False

    def __len__(self) -> int:
        return MOST_STEPS * self._accumulation * 2

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._longest():
            if self._is_ordinary:
                break
            self._kinds.append("longest")
            yield batch
        for batch in self._own:
            self._kinds.append("ordinary")
            yield batch

    def go_on_with_ordinary(self) -> None:
        """Give the batches of the run's own order from now on."""
        self._is_ordinary = True

    def kind_of(self, step: int) -> StepKind | None:
        """What the batches of a step (from 1) were; None for one that had both kinds."""
        kinds = set(self._kinds[(step - 1) * self._accumulation : step * self._accumulation])
        return kinds.pop() if len(kinds) == 1 else None

    def _longest(self) -> Iterator[list[int]]:
        """Batches from the longest row down, and from the top again."""
        place, rows = 0, len(self._longest_first)
        while True:
            yield [int(self._longest_first[(place + n) % rows]) for n in range(self._batch_size)]
            place = (place + self._batch_size) % rows


def mean_padded_tokens(lengths: np.ndarray, spec: RunSpec, steps: int) -> float:
    """The tokens of a mean step of the full run, padding included: its own batches, as far as need be."""
    chosen = spec.hyperparameters
    size, batches = chosen.batch_size, steps * chosen.gradient_accumulation_steps
    counted = min(batches, _COUNTED_BATCHES)
    own = EndlessBatches(len(lengths), batch_size=size, seed=chosen.seed, first=0, stop=counted)
    longest = [int(lengths[batch].max()) for batch in own]
    return float(np.mean(longest)) * size * chosen.gradient_accumulation_steps


class StepClock(TrainerCallback):
    """Times the steps, tells their losses, and says when enough were made."""

    def __init__(self, events: EventLog, batches: TrialBatches, *, peak_memory: Any, is_over: Any) -> None:
        """`is_over()` says that no time is left, or that the trial shall end."""
        self.steps: list[StepTime] = []
        self._events = events
        self._batches = batches
        self._peak_memory = peak_memory
        self._is_over = is_over
        self._tokens = 0
        self._made = 0
        self._began = self._phase_began = time.monotonic()

    def count_tokens(self, padded: int) -> None:
        """Count what one pass was given."""
        self._tokens += padded

    def refuse(self, step: int, loss: float, gradient: float | None = None) -> None:
        """Raise NonFinite for what is no number."""
        refuse_non_finite(step, "loss", loss)
        refuse_non_finite(step, "gradient", 0.0 if gradient is None else gradient)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any
    ) -> None:
        """Start the clock."""
        self._began = self._phase_began = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any) -> None:
        """A step goes from the end of the one before to its own."""
        now, kind = time.monotonic(), self._batches.kind_of(state.global_step)
        self._made += 1
        if kind is not None:
            self.steps.append(StepTime(kind, now - self._began, self._tokens))
        self._began, self._tokens = now, 0

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **parts: Any,
    ) -> None:
        """Tell the loss of a step and how far the trial is."""
        if logs is None or "loss" not in logs:
            return
        step = state.global_step
        values = {name: encode_value(float(logs[key])) for key, name in _METRICS.items() if key in logs}
        self._events.emit(Measured(step=step, values=values), self._progress(step, max(step, TRIAL_STEPS)))

    def settle(self, step: int) -> bool:
        """Behind a step: go on with the other kind once there were enough; returns whether the trial's steps end."""
        seconds = time.monotonic() - self._phase_began
        longest, ordinary = (sum(one.kind == kind for one in self.steps) for kind in ("longest", "ordinary"))
        is_last = self._is_over() or step >= MOST_STEPS
        if ordinary == 0 and self._batches.kind_of(step) == "longest":
            if longest >= LONGEST_STEPS or (longest >= FEWEST_STEPS and seconds > PHASE_SECONDS):
                self._batches.go_on_with_ordinary()
                self._phase_began = time.monotonic()
        else:
            is_known = ordinary >= ORDINARY_STEPS and seconds >= ORDINARY_SECONDS
            is_last |= is_known or (ordinary >= FEWEST_STEPS and seconds > PHASE_SECONDS)
        if is_last:
            self._events.emit(self._progress(step, step))
        return is_last

    def _progress(self, step: int, total: int) -> Progressed:
        last = self.steps[-1] if self.steps else None
        rate = last.padded_tokens / last.seconds if last and last.seconds else None
        return Progressed(step=step, total_steps=total, tokens_per_second=rate, peak_memory_bytes=self._peak_memory())
