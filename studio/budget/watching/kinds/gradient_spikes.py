"""Gradients that are again and again many times longer than usual."""

from collections import deque
from math import exp, log

from studio.budget.watching.base import Alerting, Course, Facts
from studio.budget.watching.heard import Heard, Level, level

# So many among so many values: one batch may be odd.
_SPIKES, _AMONG = 3, 200
_TIMES = log(6.0)
_SIGMAS = 5
_RECENT, _FIRST = 50, 20
# High norms so near to each other are one spike.
_APART = 5


class GradientSpikes(Alerting):
    """Measured in logarithms, against the recent level or the first one, whichever is higher.

    A run that has learned its rows has small gradients and a few that are as long as in the beginning: no spikes.
    """

    kind = "gradient_spikes"
    title = "Gradients spike"
    metrics = ("train/grad_norm",)
    silenced_by = ("divergence",)

    def __init__(self, course: Course) -> None:
        super().__init__(course)
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._first: Level | None = None
        self._high_at = -_APART
        self._spikes: deque[tuple[int, int, float]] = deque(maxlen=_SPIKES)

    def look(self, heard: Heard) -> dict[str, float] | None:
        """Judge the newest norm by those before it; a spike that lasts counts once."""
        norm, place = heard.gradients.values[-1:], len(heard.gradients.values)
        if not norm or norm[0] <= 0 or heard.step <= self.course.warmup_steps:
            return None
        is_new = False
        if len(self._recent) >= _FIRST:
            usual = level(self._recent)
            self._first = self._first or usual
            times = log(norm[0]) - max(usual.middle, self._first.middle)
            if times > max(_TIMES, _SIGMAS * max(usual.sigma, self._first.sigma)):
                is_new, self._high_at = place - self._high_at > _APART, place
                if is_new:
                    self._spikes.append((place, heard.step, exp(times)))
        self._recent.append(log(norm[0]))
        return self._facts() if is_new else None

    def _facts(self) -> dict[str, float] | None:
        spikes = list(self._spikes)
        if len(spikes) < _SPIKES or spikes[-1][0] - spikes[0][0] >= _AMONG:
            return None
        _, step, times = max(spikes, key=lambda spike: spike[2])
        return {"times": times, "step": step, "spikes": _SPIKES, "since": spikes[0][1]}

    @staticmethod
    def cause(facts: Facts) -> str:
        """Say how long the longest was."""
        return (
            f"{facts['spikes']:.0f} gradients since step {facts['since']:,.0f} were many times longer than usual, the "
            f"longest {facts['times']:,.0f} times, at step {facts['step']:,.0f}: some rows throw the weights about."
        )

    @staticmethod
    def stop(facts: Facts) -> str:
        """Clipping bounds what a spike does."""
        return "Let it go on as long as the validation loss falls"

    @staticmethod
    def advice(facts: Facts) -> str:
        """Settings only hide odd rows."""
        return "Look for odd rows with the checks of the dataset: very long, garbled or wrongly labelled ones."
