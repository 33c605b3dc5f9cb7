"""What a trainer's work took, by the part that an estimate counts: what later estimates are corrected by."""

import statistics
import time
from collections.abc import Callable
from typing import Any, TypeVar

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

Result = TypeVar("Result")
# More than this tells nothing new of a median.
_STEPS_KEPT = 2_000


class Pace(TrainerCallback):
    """Times steps, validations, answers and checkpoints of one attempt; the first step, which warms up, is no pace.

    `evaluating` tells the seconds of evaluations so far, which go on within and between steps.
    """

    def __init__(self) -> None:
        self.evaluating: Callable[[], float] = float
        self._seconds: dict[str, float] = {}
        self._times: dict[str, int] = {}
        self._steps: list[float] = []
        self._first_step = 0.0
        self._step_began = 0.0
        self._worked_before = 0.0
        self._worked = self._undisturbed = 0.0
        self._beside_before = 0.0
        self._padded_tokens = 0

    def timed(self, part: str, work: Callable[[], Result], *, counts: bool = True) -> Callable[[], Result]:
        """The same work, with the time it takes added to a part, unless it has nothing to do and so tells nothing."""
        if not counts:
            return work

        def _timed() -> Result:
            began = time.monotonic()
            result = work()
            self._seconds[part] = self._seconds.get(part, 0.0) + time.monotonic() - began
            self._times[part] = self._times.get(part, 0) + 1
            return result

        return _timed

    def count_tokens(self, padded: int) -> None:
        """Count what one pass was given, padding included."""
        self._padded_tokens += padded

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any
    ) -> None:
        """Start the clock."""
        self._begin()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any) -> None:
        """A step goes from the end of the one before to its own, so that collating and logging are part of it."""
        seconds = time.monotonic() - self._step_began - (self._beside() - self._beside_before)
        if self._first_step:
            if len(self._steps) < _STEPS_KEPT and self._beside() == self._beside_before:
                self._worked += time.process_time() - self._worked_before
                self._undisturbed += seconds
            if len(self._steps) < _STEPS_KEPT:
                self._steps.append(seconds)
        else:
            self._first_step = seconds
        self._begin()

    def facts(self) -> dict[str, Any]:
        """Seconds of a median step, of the first one beyond that, and of one of each other part, as plain values."""
        step = statistics.median(self._steps) if self._steps else self._first_step
        passed = len(self._steps) + bool(self._first_step)
        return {
            "steps": passed,
            "step_seconds": round(step, 6),
            "mean_step_seconds": round(statistics.fmean(self._steps), 6) if self._steps else round(step, 6),
            # Processors at work in a step: fewer than threads where other programs took them.
            "processors": round(self._worked / self._undisturbed, 3) if self._undisturbed else 0.0,
            "first_step_seconds": round(self._first_step, 6),
            "padded_tokens_per_step": self._padded_tokens / passed if passed else 0,
            "seconds_each": {part: round(total / self._times[part], 6) for part, total in self._seconds.items()},
            "times": dict(self._times),
        }

    def _begin(self) -> None:
        self._step_began, self._beside_before = time.monotonic(), self._beside()
        self._worked_before = time.process_time()

    def _beside(self) -> float:
        return self.evaluating() + self._seconds.get("checkpoint", 0.0)
