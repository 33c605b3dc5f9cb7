"""What a trial run tells of the full run: its steps are timed by kind, and the rest is counted from the plan. Pure."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from studio.runs.plan import Plan

StepKind = Literal["longest", "ordinary"]


@dataclass(frozen=True, slots=True)
class StepTime:
    """One optimizer step: what it took, and the tokens of its batches, padding included."""

    kind: StepKind
    seconds: float
    padded_tokens: int


@dataclass(slots=True)
class Measured:
    """What a trial has measured, in seconds where nothing else is said.

    `starting` is all before the first step. `answers` is one round of answers; a trained model stops where an answer
    ends, `trained_answers`. `mean_tokens` are those of a step of the full run, padding included. `evaluation` is that
    of all validation rows, `best` writes the best weights, `checkpoint` all of it.
    """

    starting: float = 0.0
    steps: list[StepTime] = field(default_factory=list)
    mean_tokens: float = 0.0
    evaluation: float = 0.0
    answers: float = 0.0
    trained_answers: float = 0.0
    checkpoint: float = 0.0
    best: float = 0.0

    def of(self, kind: StepKind) -> list[StepTime]:
        """The steps of a kind."""
        return [step for step in self.steps if step.kind == kind]


@dataclass(frozen=True, slots=True)
class Forecast:
    """The seconds that the full run is likely to hold its hardware, by part."""

    starting: float
    training: float
    evaluating: float
    checkpoints: float
    closing: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.starting + self.training + self.evaluating + self.checkpoints + self.closing

    def as_json(self) -> dict[str, Any]:
        """Plain values, rounded to what can be known."""
        return {"seconds": round(self.seconds, 2), "parts": {name: round(s, 2) for name, s in asdict(self).items()}}


def step_seconds(measured: Measured) -> float:
    """Seconds of a mean step of the full run.

    The ordinary steps stand for it, corrected for the tokens by which they differ from all steps. What a token adds is
    seen where the longest rows took longer; it is never more than a step's whole time divided by its tokens.
    """
    ordinary, longest = measured.of("ordinary"), measured.of("longest")[1:]
    if not ordinary:
        return statistics.median(step.seconds for step in measured.steps) if measured.steps else 0.0
    seconds, tokens = _means(ordinary)
    rate = seconds / tokens if tokens else 0.0
    if longest and _means(longest)[1] > tokens:
        more_seconds, more_tokens = _means(longest)
        rate = min(rate, max(0.0, (more_seconds - seconds) / (more_tokens - tokens)))
    return max(0.0, seconds + rate * (measured.mean_tokens - tokens))


def warm_up_seconds(measured: Measured) -> float:
    """By how much the first step of all took longer than others of its kind."""
    first, *others = measured.of("longest") or [StepTime("longest", 0.0, 0)]
    return max(0.0, first.seconds - _means(others)[0]) if others else 0.0


def forecast(measured: Measured, plan: Plan, *, checkpoint_steps: int, checkpoint_seconds: float) -> Forecast:
    """What the full run will take if nothing stops it early; it writes a checkpoint by steps or by time, and a last."""
    training = plan.steps * step_seconds(measured) + warm_up_seconds(measured)
    trained = plan.evaluations - 1
    evaluating = plan.evaluations * measured.evaluation + measured.answers
    evaluating += trained * (measured.trained_answers + measured.best)
    saves = max(math.ceil(plan.steps / checkpoint_steps), math.ceil((training + evaluating) / checkpoint_seconds))
    # The archive is written, hashed and stored: about what a checkpoint takes.
    return Forecast(measured.starting, training, evaluating, saves * measured.checkpoint, measured.checkpoint)


def _means(steps: Sequence[StepTime]) -> tuple[float, float]:
    """Mean seconds and mean tokens."""
    if not steps:
        return 0.0, 0.0
    return statistics.fmean(step.seconds for step in steps), statistics.fmean(step.padded_tokens for step in steps)
