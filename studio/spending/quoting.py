"""Makes a quote: what is known of rows, base model, hardware and price, put together for one spec."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from sqlalchemy.orm import Session

from studio import base_models, datasets, runs
from studio.actors import Actor
from studio.base_models import BaseModelFacts
from studio.budget.calibration import Correction, Corrections
from studio.budget.cautions import cautions_of
from studio.budget.counts import counts_of
from studio.budget.estimate import Estimate, Fix
from studio.budget.estimating import corrected_memory, estimate_of, longest_of
from studio.budget.fixes import fixes_for
from studio.budget.hardware import HARDWARE, Hardware, find_hardware
from studio.budget.lengths import Lengths
from studio.budget.memory import (
    Fit,
    Memory,
    fit_of,
    largest_batch,
    largest_length,
    memory_of,
    models_that_fit,
    usable_bytes,
)
from studio.budget.shapes import ModelShape, shape_of
from studio.errors import InvalidInput
from studio.methods import METHODS, Method
from studio.runs import Plan, RunSpec
from studio.settings import Settings
from studio.spending.measurements import measured_on
from studio.spending.prices import PricedHardware, list_prices
from studio.spending.quotes import Fitting, HardwareFrom, MethodOffer, PriceFrom, Quote, Refusal
from studio.spending.refusals import refusals_of
from studio.spending.rows import lengths_of, suggested_length

_UNKNOWN_MODEL = (
    "The base model's config.json is not known before its first download, so nothing can be estimated yet. "
    "Launch a run of a few steps, or pick a base model of the list."
)


def quote(
    session: Session, actor: Actor, spec: RunSpec, *, settings: Settings, hardware_id: str | None = None
) -> Quote:
    """What the spec comes to on the hardware asked for, else on that of a worker; raises InvalidInput as launch does.

    `hardware_id` is one of the catalogue.
    """
    plan = runs.preview(session, actor, spec)
    version = datasets.get_version(session, actor, spec.data.dataset_version_id)
    hardware, hardware_from, problem = find_device(session, hardware_id)
    prices = {priced.hardware.id: priced for priced in list_prices(session, actor)}
    try:
        shape = known_shape(spec.base_model.id, settings)
    except InvalidInput as error:
        return Quote(None, error.message, hardware_from, problem, "none", "")
    if shape is None:
        return Quote(None, _UNKNOWN_MODEL, hardware_from, problem, "none", "")
    corrections = Corrections(measured_on(session, actor, hardware), hardware.kind) if hardware else None
    try:
        counts_of(shape, spec.method, spec.hyperparameters.precision)
    except InvalidInput as error:
        refusal = Refusal("targets", error.message, "method.targets")
        return Quote(None, error.message, hardware_from, problem, "none", "", refusals=(refusal,))
    lengths = lengths_of(session, actor, version, spec, shape, settings.cache_dir)
    suggested = suggested_length(session, actor, version, spec, settings.cache_dir)
    case = _Case(
        spec=spec,
        plan=plan,
        shape=shape,
        hardware=hardware,
        lengths=lengths,
        corrections=corrections,
        prices=prices,
        settings=settings,
        suggested_length=suggested,
    )
    return case.quote(hardware_from, problem)


def find_device(session: Session, hardware_id: str | None) -> tuple[Hardware | None, HardwareFrom, str]:
    """The hardware asked for, as a worker has it where one does; else that of the first worker; and what is unknown."""
    workers = runs.hardware_of_workers(session)
    found = [(worker, find_hardware(worker.device, worker.memory_bytes, worker.cores)) for worker in workers]
    if hardware_id:
        if hardware_id not in HARDWARE:
            sentence = f"There is no hardware {hardware_id[:40]!r} in the catalogue; pick one of the list."
            raise InvalidInput(sentence, fields={"hardware": sentence})
        own = next((hardware for _, hardware in found if hardware and hardware.id == hardware_id), None)
        return own or HARDWARE[hardware_id], "asked", ""
    known = next((hardware for _, hardware in found if hardware), None)
    if known:
        return known, "worker", ""
    if workers:
        device = workers[0].device or "this device"
        return None, "none", f"The worker's {device} is not in the hardware catalogue, so time and fit are not known."
    return None, "none", ""


def known_shape(base_model_id: str, settings: Settings) -> ModelShape | None:
    """The shape of a base model as far as its config.json is here; raises InvalidInput when that is absurd."""
    config = base_models.config_of(base_model_id, settings.models_root, settings.models_dir)
    return None if config is None else shape_of(config)


@lru_cache(maxsize=1)
def curated_shapes() -> Mapping[str, ModelShape]:
    """The shapes of the catalogue's base models, by id."""
    found = ((facts.id, base_models.config_of(facts.id, None)) for facts in base_models.curated())
    return {base_model_id: shape_of(config) for base_model_id, config in found if config is not None}


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything that is known of one spec."""

    spec: RunSpec
    plan: Plan
    shape: ModelShape
    hardware: Hardware | None
    lengths: Lengths
    corrections: Corrections | None
    prices: Mapping[str, PricedHardware]
    settings: Settings
    suggested_length: int | None

    def quote(self, hardware_from: HardwareFrom, hardware_problem: str) -> Quote:
        """The estimate, what stands in its way, and what else there is."""
        estimate = self._estimate(self.spec)
        fixes = self._fixes() if estimate.fit in ("tight", "does_not_fit") else ()
        cautions = cautions_of(self.spec, self.shape, self.lengths, estimate, fixes)
        estimate = replace(estimate, cautions=cautions, notes=self._notes())
        price_from, price_note = self._price()
        found = Quote(
            estimate=estimate,
            problem="",
            hardware_from=hardware_from,
            hardware_problem=hardware_problem,
            price_from=price_from,
            price_note=price_note,
            refusals=refusals_of(self.spec, estimate, fixes, price_from),
            fittings=tuple(self._fitting(hardware) for hardware in HARDWARE.values() if hardware.on_gpu),
            methods=tuple(self._offer(kind) for kind in METHODS),
        )
        return self._with_largest(found) if self.hardware else found

    def _estimate(self, spec: RunSpec) -> Estimate:
        return estimate_of(
            spec,
            self.plan,
            self.shape,
            self.hardware,
            self.lengths,
            correction=self._correction(spec, self.shape),
            dollars_per_hour=self._dollars_per_hour(),
        )

    def _notes(self) -> tuple[str, ...]:
        """What the figures do not hold."""
        if base_models.is_here(self.spec.base_model.id, self.settings.models_dir):
            return ()
        # The Hub's weights are of 16 bits.
        size = f"{2 * self.shape.parameters / 1e9:.2g} GB"
        return (
            f"The first run with this base model downloads about {size}, which takes time that is not counted here.",
        )

    def _correction(self, spec: RunSpec, shape: ModelShape) -> Correction | None:
        if self.corrections is None:
            return None
        return self.corrections.of(spec.base_model.id, shape.model_type, spec.method.kind)

    def _factor(self, base_model_id: str, shape: ModelShape) -> float:
        """How many times the estimated memory earlier runs have needed."""
        if self.corrections is None:
            return 1.0
        return self.corrections.of(base_model_id, shape.model_type, self.spec.method.kind).memory_factor

    def _dollars_per_hour(self) -> float | None:
        """The owner's price, else the catalogue's example, which the note then says."""
        priced = self.prices.get(self.hardware.id) if self.hardware else None
        return _hourly(priced)[0]

    def _price(self) -> tuple[PriceFrom, str]:
        if self.hardware is None:
            return "none", ""
        priced = self.prices[self.hardware.id]
        example, price_from = priced.example, _hourly(priced)[1]
        if price_from == "example" and example is not None:
            return "example", (
                f"At an example of ${example.dollars_per_hour:.2f} an hour ({example.where}, {example.when}). "
                "Set what an hour costs you."
            )
        return price_from, "" if price_from == "own" else "Set what an hour costs to see dollars."

    def _fitting(self, hardware: Hardware) -> Fitting:
        """Corrected on the run's own hardware alone: the runs of one kind say little of another."""
        longest = self._longest(self.spec)
        if self.hardware and self.hardware.id == hardware.id:
            hardware = self.hardware
            memory = self._memory(self.spec, self.shape, hardware, longest)
        else:
            memory = memory_of(self.spec, self.shape, hardware, longest)
        dollars, price_from = _hourly(self.prices[hardware.id])
        return Fitting(
            hardware_id=hardware.id,
            label=hardware.label,
            available_bytes=usable_bytes(hardware),
            memory_bytes=memory.total,
            fit=fit_of(memory, hardware),
            dollars_per_hour=dollars,
            price_from=price_from,
        )

    def _offer(self, kind: str) -> MethodOffer:
        is_chosen = self.spec.method.kind == kind
        method: Method = self.spec.method if is_chosen else METHODS[kind]()  # type: ignore[assignment]
        estimate = self._estimate(self.spec.model_copy(update={"method": method}))
        return MethodOffer(
            kind=kind,
            label=METHODS[kind].label,
            good_for=METHODS[kind].hint,
            is_chosen=is_chosen,
            memory_bytes=estimate.memory_bytes,
            fit=estimate.fit,
            seconds=estimate.seconds,
            dollars=estimate.dollars,
            trained_parameters=estimate.trained_parameters,
            adapter_bytes=estimate.adapter_bytes,
        )

    def _fixes(self) -> tuple[Fix, ...]:
        return fixes_for(
            self.spec,
            self._measure,
            suggested_length=self.suggested_length,
            smaller_models=self._smaller_models(),
        )

    def _measure(self, spec: RunSpec) -> tuple[int, bool]:
        assert self.hardware is not None
        shape = self.shape
        if spec.base_model.id != self.spec.base_model.id:
            shape = curated_shapes()[spec.base_model.id]
        memory = self._memory(spec, shape, self.hardware, longest_of(spec, shape, self.lengths))
        fit: Fit = fit_of(memory, self.hardware)
        return memory.total, fit != "does_not_fit"

    def _memory(self, spec: RunSpec, shape: ModelShape, hardware: Hardware, longest: int) -> Memory:
        """As earlier runs have needed it."""
        correction = self._correction(spec, shape) or Correction()
        return corrected_memory(memory_of(spec, shape, hardware, longest), correction)

    def _smaller_models(self) -> dict[str, str]:
        """Of the catalogue, those with fewer parameters and of the same kind: the same family first, largest first."""
        own: BaseModelFacts = base_models.get_base_model(self.spec.base_model.id, self.settings.models_root)
        shapes = curated_shapes()
        smaller = [
            facts
            for facts in base_models.curated()
            if facts.id in shapes and shapes[facts.id].parameters < self.shape.parameters and not facts.gated
        ]
        smaller.sort(key=lambda facts: (facts.family != own.family, -shapes[facts.id].parameters))
        return {facts.id: f"{facts.label} ({facts.size_label})" for facts in smaller}

    def _with_largest(self, found: Quote) -> Quote:
        assert self.hardware is not None
        longest = self._longest(self.spec)
        shapes = curated_shapes()
        factors = {base_model_id: self._factor(base_model_id, shape) for base_model_id, shape in shapes.items()}
        factor = self._factor(self.spec.base_model.id, self.shape)
        fitting = models_that_fit(self.spec, shapes, self.hardware, longest, factors)
        labels = {facts.id: facts.label for facts in base_models.curated()}
        return replace(
            found,
            largest_batch=largest_batch(self.spec, self.shape, self.hardware, longest, factor) or None,
            largest_length=largest_length(self.spec, self.shape, self.hardware, factor) or None,
            largest_models=tuple(labels[base_model_id] for base_model_id in fitting[:3]),
        )

    def _longest(self, spec: RunSpec) -> int:
        return longest_of(spec, self.shape, self.lengths)


def _hourly(priced: PricedHardware | None) -> tuple[float | None, PriceFrom]:
    if priced is None:
        return None, "none"
    if priced.dollars_per_hour is not None:
        return priced.dollars_per_hour, "own"
    return (priced.example.dollars_per_hour, "example") if priced.example else (None, "none")
