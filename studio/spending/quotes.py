"""What a person is told before launch: the estimate on the hardware that the run is likely to get, at their price."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from studio.budget.estimate import Estimate, Fit, Fix, Range

PriceFrom = Literal["own", "example", "none"]
HardwareFrom = Literal["asked", "worker", "none"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a run is not launched, at which field of the spec, and settings that would be."""

    key: str
    sentence: str
    field: str
    fixes: tuple[Fix, ...] = ()


@dataclass(frozen=True, slots=True)
class Fitting:
    """One kind of hardware of the catalogue for this run; `dollars_per_hour` is the own price, else the example."""

    hardware_id: str
    label: str
    available_bytes: int
    memory_bytes: int
    fit: Fit
    dollars_per_hour: float | None
    price_from: PriceFrom


@dataclass(frozen=True, slots=True)
class MethodOffer:
    """One method for the same dataset and hardware, otherwise with the settings of the spec."""

    kind: str
    label: str
    good_for: str
    is_chosen: bool
    memory_bytes: int | None
    fit: Fit | None
    seconds: Range | None
    dollars: Range | None
    trained_parameters: int
    adapter_bytes: int


@dataclass(frozen=True, slots=True)
class Quote:
    """All of it, made in one go; `problem` says in words why there is no estimate.

    `hardware_problem` is set where the worker's device is not in the catalogue. `largest_*` are the largest that fit
    the hardware with all else as it is; None where nothing does, or the hardware is not known.
    """

    estimate: Estimate | None
    problem: str
    hardware_from: HardwareFrom
    hardware_problem: str
    price_from: PriceFrom
    price_note: str
    refusals: tuple[Refusal, ...] = ()
    fittings: tuple[Fitting, ...] = ()
    methods: tuple[MethodOffer, ...] = ()
    largest_batch: int | None = None
    largest_length: int | None = None
    largest_models: tuple[str, ...] = ()

    def kept(self) -> dict[str, Any]:
        """What stays with the run: the estimate and its price, without what else there was to choose from."""
        return replace(self, refusals=(), fittings=(), methods=()).as_json()

    def as_json(self) -> dict[str, Any]:
        """What is kept with the run and sent over the API: plain values only."""
        return asdict(self)
