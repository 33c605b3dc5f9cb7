"""What was heard of a run's curves, and the few robust numbers that the kinds of alerts are made of.

Medians and quartiles throughout: a loss is a mean over a few rows, and one odd batch says nothing.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

# A normal distribution's standard deviation is its interquartile range times this.
_SIGMA_OF_QUARTILES = 0.7413
# The standard error of a median of n values is about this times their standard deviation, over the root of n.
_ERROR_OF_MEDIAN = 1.2533
_FEWEST, _MOST = 8, 50
_WINDOWS_PER_RUN = 20
# More values than this make a level no truer and each look dearer.
_LEVEL_VALUES = 200


@dataclass(frozen=True, slots=True)
class Level:
    """Where values lie: median, quartiles, and how many they are."""

    low: float
    middle: float
    high: float
    count: int

    @property
    def sigma(self) -> float:
        """Their standard deviation, without the tails."""
        return (self.high - self.low) * _SIGMA_OF_QUARTILES

    @property
    def error(self) -> float:
        """The standard error of the median."""
        return float(_ERROR_OF_MEDIAN * self.sigma / self.count**0.5)


@dataclass(frozen=True, slots=True)
class Rise:
    """Validation losses that rose for good: since which step, from which loss to which.

    `before` and `now` are training losses: around the best validation, and at the end.
    """

    since: int
    best: float
    last: float
    before: Level | None
    now: Level | None


@dataclass(slots=True)
class Series:
    """One metric: steps and finite values, in order."""

    steps: list[int]
    values: list[float]

    def add(self, step: int, value: float) -> None:
        """Append; what is no number is left out, for training ends at it anyway."""
        if isfinite(value):
            self.steps.append(step)
            self.values.append(value)

    def between(self, after: int, until: int) -> Level | None:
        """The level of the steps in (after, until]: of the last 200 of them; None for fewer than three."""
        first, last = bisect_right(self.steps, after), bisect_right(self.steps, until)
        return level(self.values[max(first, last - _LEVEL_VALUES) : last]) if last - first >= 3 else None

    def last(self, count: int) -> Level | None:
        """The level of the last values; None while there are fewer."""
        return level(self.values[-count:]) if len(self.values) >= count else None


class Heard:
    """The curves so far; `window` is how many values of a step make a level, a twentieth of the run."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.window = min(max(steps // _WINDOWS_PER_RUN, _FEWEST), _MOST)
        self.step = 0
        self.losses = Series([], [])
        self.validation = Series([], [])
        self.gradients = Series([], [])
        self.rates = Series([], [])
        self.levels: list[Level] = []
        self._of = {
            "train/loss": self.losses,
            "eval/loss": self.validation,
            "train/grad_norm": self.gradients,
            "train/learning_rate": self.rates,
        }

    def hear(self, step: int, name: str, value: float) -> None:
        """Take one point in."""
        series = self._of.get(name)
        if series is None:
            return
        self.step = step
        known = len(series.values)
        series.add(step, value)
        if series is self.losses and len(series.values) > known and len(series.values) % self.window == 0:
            self.levels.append(level(series.values[-self.window :]))

    @property
    def untrained(self) -> float | None:
        """The validation loss before training."""
        measured = self.validation
        return measured.values[0] if measured.steps and measured.steps[0] == 0 else None

    def risen(self) -> Rise | None:
        """Whether the validation loss has risen for good since its best: clear of noise, and by more than is usual.

        Noise is read off the reversals, the smaller of two steps in opposite directions: a smooth curve has none.
        """
        steps, values = self.validation.steps, self.validation.values
        if len(values) < 5:
            return None
        best = min(range(len(values)), key=values.__getitem__)
        after = len(values) - 1 - best
        if after < 2 or steps[-1] - steps[best] < self.steps / 20:
            return None
        from_, to = middle(values[max(0, best - 1) : best + 2]), middle(values[max(best + 1, len(values) - 3) :])
        # Two evaluations may be chance, unless the rise is plain.
        share, least = (0.03, 0.02) if after > 2 else (0.08, 0.05)
        noise = _reversals(values, max(0, best - 4), best)
        if to - from_ < max(share * abs(from_), least, 3.5 * noise):
            return None
        return self._rise(best)

    def _rise(self, best: int) -> Rise:
        steps, values = self.validation.steps, self.validation.values
        since, span = steps[best], max(steps[-1] - steps[-2], self.window)
        span = min(span, (steps[-1] - since) // 2)
        before = self.losses.between(max(0, since - span // 2), max(since + span // 2, span))
        return Rise(since, values[best], values[-1], before, self.losses.between(steps[-1] - span, steps[-1]))


def level(values: Sequence[float]) -> Level:
    """Median and quartiles of at least one value."""
    ordered = sorted(values)
    count = len(ordered)
    return Level(ordered[count // 4], middle(ordered), ordered[(3 * count - 1) // 4], count)


def middle(values: Sequence[float]) -> float:
    """The median of at least one value."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _reversals(values: Sequence[float], first: int, best: int) -> float:
    """The third quartile of the reversals behind `first`; the turn at the best value is none."""
    moves = [after - before for before, after in pairwise(values)]
    found = [
        min(abs(moves[place - 1]), abs(moves[place]))
        for place in range(first + 1, len(moves))
        if moves[place - 1] * moves[place] < 0 and place != best
    ]
    return level(found).high if found else 0.0
