"""What a run takes before it runs: memory, steps, time and money, each with how far it can be believed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Fit = Literal["fits", "tight", "does_not_fit"]


@dataclass(frozen=True, slots=True)
class Range:
    """A figure that is not known exactly; `likely` lies between the two others."""

    low: float
    likely: float
    high: float

    def times(self, factor: float) -> "Range":
        """The same range in another unit, such as dollars for hours."""
        return Range(self.low * factor, self.likely * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class Fix:
    """Other settings that take less. `key` names it; `label` goes on a button, `gives` says what it buys and costs.

    `changes` are the settings that differ, by dotted path of the spec, such as `hyperparameters.batch_size`.
    """

    key: str
    label: str
    gives: str
    changes: Mapping[str, Any]
    memory_bytes: int | None
    fits: bool


@dataclass(frozen=True, slots=True)
class Caution:
    """Something to know before launch, with what would mend it; `key` stays the same from one estimate to the next."""

    key: str
    sentence: str
    fixes: tuple[Fix, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a spec comes to on one kind of hardware, or (`hardware` None) wherever it will run.

    `seconds` are those that hold the hardware, loading, evaluations and export included; `parts` sum up to the likely
    ones. `tokens` go through the model in training, padding included. `memory_parts` are bytes by name, in the order of
    the bar. Without hardware there are no seconds, and without a price no dollars. `least_seconds` are those of the
    shortest run that leaves something, at their lowest.
    """

    hardware_id: str | None
    hardware_label: str
    memory_bytes: int | None
    memory_parts: Mapping[str, int]
    available_bytes: int | None
    fit: Fit | None
    steps: int
    effective_batch: int
    evaluations: int
    tokens: int
    trained_tokens: int
    seconds: Range | None
    parts: Mapping[str, float]
    dollars_per_hour: float | None
    dollars: Range | None
    trained_parameters: int
    total_parameters: int
    adapter_bytes: int
    source: str
    measured_runs: int
    lengths_source: str
    lengths_are_counted: bool
    virtual_tokens: int = 0
    least_seconds: float | None = None
    cautions: tuple[Caution, ...] = ()
    notes: tuple[str, ...] = ()
