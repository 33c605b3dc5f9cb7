"""How runs that are over correct the estimates of those to come, the most alike first. Pure."""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from studio.budget.time import PARTS

FROM_THE_MODEL = "estimated from the model"
# How much a measurement counts beside one of the same base model and method on the same hardware.
_SAME_BASE, _SAME_TYPE, _SAME_METHOD, _SAME_HARDWARE = 0.3, 0.25, 0.12, 0.05
# A measurement of a machine or a version of the stack from long ago counts for less: half after so many days.
_HALF_LIFE_DAYS = 120.0
# Spread of the logarithm of measured over estimated time: without any run, and what stays however many there are.
_UNKNOWN = {"gpu": 0.45, "cpu": 0.6}
_LEAST = 0.08
_UNKNOWN_MEMORY, _LEAST_MEMORY = 0.12, 0.03
_WIDEST_RATIO = 30.0
# More runs than the most alike of these say nothing new.
_HEARD = 40
# A trainer that computed for less of its threads' time shared the machine, and tells little of an idle one.
_UNDISTURBED = 0.6
# Runs scatter by this much anyway; what is this many times as far out as usual is taken for an accident.
_USUAL, _FARTHEST = 0.15, 3.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One run on the hardware in question: seconds of each part and bytes, measured over estimated."""

    base_model: str
    model_type: str
    method: str
    ratios: Mapping[str, float]
    memory_ratio: float | None
    age_days: float = 0.0
    share_at_work: float = 1.0
    """Of the time of its threads, what it computed: on an idle machine most of it."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Factors for each part of an estimate; `spread` is the standard deviation of the logarithm that is left."""

    factors: Mapping[str, float] = field(default_factory=dict)
    spread: float = 0.5
    memory_factor: float = 1.0
    runs_alike: int = 0
    runs: int = 0

    @property
    def source(self) -> str:
        """Where the estimate comes from, in the words of the page."""
        if self.runs_alike:
            return f"from {self.runs_alike} {_runs(self.runs_alike)} like this"
        if self.runs:
            return f"estimated from the model and {self.runs} other {_runs(self.runs)} on this hardware"
        return FROM_THE_MODEL


def correct(measured: Sequence[Measured], *, base_model: str, model_type: str, method: str, kind: str) -> Correction:
    """Weigh what was measured by likeness and age; `kind` is the hardware's, `gpu` or `cpu`."""
    unknown = _UNKNOWN[kind]
    if not measured:
        return Correction(spread=unknown)
    everything = ((_weight(one, base_model, model_type, method), one) for one in measured)
    weighed = heapq.nlargest(_HEARD, everything, key=lambda pair: pair[0])
    found = {
        part: _mean([(w, math.log(one.ratios[part])) for w, one in weighed if part in one.ratios]) for part in PARTS
    }
    believed = _believed(weighed)
    factors = {part: math.exp(mean * believed) for part, (mean, _, _) in found.items()}
    _, scatter, evidence = found["step"]
    spread = math.sqrt(_LEAST**2 + scatter**2 / 2 + unknown**2 / (1 + 12 * evidence))
    alike = sum(one.base_model == base_model and one.method == method for one in measured)
    memory = [(w, math.log(one.memory_ratio)) for w, one in weighed if one.memory_ratio]
    return Correction(factors, min(spread, unknown), _memory_factor(memory), alike, len(measured))


class Corrections:
    """Corrections for many base models and methods on one kind of hardware; each is made once."""

    def __init__(self, measured: Sequence[Measured], kind: str) -> None:
        self._measured = measured
        self._kind = kind
        self._bases = {one.base_model for one in measured}
        self._types = {one.model_type for one in measured}
        self._methods = {one.method for one in measured}
        self._made: dict[tuple[str, str, str], Correction] = {}

    def of(self, base_model: str, model_type: str, method: str) -> Correction:
        """The correction for these; what was never measured is all alike."""
        key = (
            base_model if base_model in self._bases else "",
            model_type if model_type in self._types else "",
            method if method in self._methods else "",
        )
        if key not in self._made:
            names = {"base_model": key[0], "model_type": key[1], "method": key[2]}
            self._made[key] = correct(self._measured, **names, kind=self._kind)
        return self._made[key]


def ratios_of(measured: Mapping[str, float], estimated: Mapping[str, float]) -> dict[str, float]:
    """Measured over estimated seconds of each part that has both, held within bounds that no machine passes."""
    return {
        part: min(_WIDEST_RATIO, max(1 / _WIDEST_RATIO, measured[part] / estimated[part]))
        for part in PARTS
        if measured.get(part, 0) > 0 and estimated.get(part, 0) > 0
    }


def _weight(one: Measured, base_model: str, model_type: str, method: str) -> float:
    same_method = one.method == method
    if one.base_model == base_model:
        likeness = 1.0 if same_method else _SAME_BASE
    elif one.model_type == model_type:
        likeness = _SAME_TYPE if same_method else _SAME_HARDWARE
    else:
        likeness = _SAME_METHOD if same_method else _SAME_HARDWARE
    return float(likeness * _calm(one) * 0.5 ** (max(0.0, one.age_days) / _HALF_LIFE_DAYS))


def _calm(one: Measured) -> float:
    """1 for a run that had the machine for itself; less, the more other programs took of it."""
    return min(1.0, one.share_at_work / _UNDISTURBED) ** 3


def _believed(weighed: Sequence[tuple[float, Measured]]) -> float:
    """How much of a correction is made: all of it, unless hardly any run behind it had the machine for itself."""
    calm = sum(weight for weight, _ in weighed)
    all_of_it = sum(weight / max(1e-9, _calm(one)) for weight, one in weighed)
    return min(1.0, 3 * calm / all_of_it)


def _mean(weighed: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Mean, scatter and weight of logarithms; what lies far from the median counts less, as on a busy machine."""
    total = sum(weight for weight, _ in weighed)
    if not total:
        return 0.0, 0.0, 0.0
    middle = _median(weighed)
    usual = max(_USUAL, _median([(weight, abs(value - middle)) for weight, value in weighed]))
    kept = [(weight * _trust(abs(value - middle) / usual), value) for weight, value in weighed]
    sure = sum(weight for weight, _ in kept)
    mean = sum(weight * value for weight, value in kept) / sure
    scatter = math.sqrt(sum(weight * (value - mean) ** 2 for weight, value in kept) / sure)
    return mean, scatter, total


def _trust(distance: float) -> float:
    """1 near the median; far from it, the farther the less."""
    return 1.0 if distance <= _FARTHEST else (_FARTHEST / distance) ** 2


def _median(weighed: Iterable[tuple[float, float]]) -> float:
    """The value below which half of the weight lies; of two halves, the mean of the two values there."""
    ordered = sorted((value, weight) for weight, value in weighed)
    half, passed = sum(weight for _, weight in ordered) / 2, 0.0
    for place, (value, weight) in enumerate(ordered):
        passed += weight
        if math.isclose(passed, half) and place + 1 < len(ordered):
            return (value + ordered[place + 1][0]) / 2
        if passed > half:
            return value
    return ordered[-1][0]


def _memory_factor(weighed: Sequence[tuple[float, float]]) -> float:
    """Memory is told by the model nearly exactly, so a few runs move it little, and never down by more than 10 %."""
    mean, _, evidence = _mean(weighed)
    known = evidence / (evidence + 0.2)
    return max(0.9, math.exp(mean * known))


def _runs(count: int) -> str:
    return "run" if count == 1 else "runs"
