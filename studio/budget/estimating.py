"""Makes an estimate: memory, time and money of a spec on one kind of hardware. Pure."""

import math
from dataclasses import replace

from studio.budget.calibration import Correction
from studio.budget.counts import Counts, counts_of
from studio.budget.estimate import Estimate, Range
from studio.budget.flops import virtual_tokens
from studio.budget.hardware import Hardware
from studio.budget.lengths import Lengths
from studio.budget.memory import Fit, Memory, fit_of, memory_of, usable_bytes
from studio.budget.shapes import ModelShape
from studio.budget.time import Load, Part, load_from, parts_of, total_seconds
from studio.runs import Plan, RunSpec

# Standard deviations on either side of the likely figure: about three runs of four end between.
_WIDTH = 1.2


def estimate_of(
    spec: RunSpec,
    plan: Plan,
    shape: ModelShape,
    hardware: Hardware | None,
    lengths: Lengths,
    *,
    correction: Correction | None = None,
    dollars_per_hour: float | None = None,
) -> Estimate:
    """What the spec comes to; raises InvalidInput when no layer is called as the method's targets."""
    longest, virtual = longest_of(spec, shape, lengths), virtual_tokens(spec.method)
    counts = counts_of(shape, spec.method, spec.hyperparameters.precision)
    load = load_of(spec, lengths, longest)
    estimate = _without_hardware(spec, plan, counts, lengths, load, virtual)
    if hardware is None:
        return estimate
    correction = correction or Correction()
    memory = corrected_memory(memory_of(spec, shape, hardware, longest), correction)
    parts = corrected_parts(parts_of(spec, plan, shape, hardware, load), correction)
    seconds = range_of(total_seconds(parts), correction.spread, lengths.spread)
    return replace(
        estimate,
        hardware_id=hardware.id,
        hardware_label=hardware.label,
        memory_bytes=memory.total,
        memory_parts=dict(memory.parts),
        available_bytes=usable_bytes(hardware),
        fit=fit_of(memory, hardware),
        seconds=seconds,
        parts={name: part.total for name, part in parts.items()},
        dollars_per_hour=dollars_per_hour,
        dollars=seconds.times(dollars_per_hour / 3600) if dollars_per_hour else None,
        source=correction.source,
        least_seconds=range_of(least_seconds(parts), correction.spread, lengths.spread).low,
        measured_runs=correction.runs_alike or correction.runs,
    )


def longest_of(spec: RunSpec, shape: ModelShape, lengths: Lengths) -> int:
    """Tokens of the longest row that is trained on, without virtual ones."""
    longest = spec.data.max_length_tokens
    if shape.context_tokens:
        longest = min(longest, shape.context_tokens - virtual_tokens(spec.method))
    return max(1, min(longest, lengths.longest) if lengths.is_bounded else longest)


def load_of(spec: RunSpec, lengths: Lengths, longest: int) -> Load:
    """What the rows come to in a batch of the spec's size."""
    padded = lengths.padded(spec.hyperparameters.batch_size, longest)
    return load_from(padded, lengths.mean(longest), lengths.answers)


def corrected_parts(parts: dict[str, Part], correction: Correction) -> dict[str, Part]:
    """Each part as earlier runs have taken it."""
    return {name: Part(part.seconds * correction.factors.get(name, 1.0), part.times) for name, part in parts.items()}


def corrected_memory(memory: Memory, correction: Correction) -> Memory:
    """The same, with what earlier runs have needed beyond it as slack; where they needed less, every part is less."""
    factor = correction.memory_factor
    if factor < 1:
        return replace(memory, **{name: round(size * factor) for name, size in memory.parts.items()})
    return replace(memory, slack=memory.slack + round(memory.total * (factor - 1)))


def range_of(seconds: float, *spreads: float) -> Range:
    """Around a likely figure; `spreads` are standard deviations of logarithms that do not depend on each other."""
    width = math.exp(_WIDTH * math.hypot(*spreads))
    return Range(seconds / width, seconds, seconds * width)


def least_seconds(parts: dict[str, Part]) -> float:
    """What the shortest run takes that leaves something: one step, the first evaluation, a checkpoint, the export."""
    return sum(part.seconds for name, part in parts.items()) + parts["validation"].seconds


def _without_hardware(
    spec: RunSpec, plan: Plan, counts: Counts, lengths: Lengths, load: Load, virtual: int
) -> Estimate:
    rows = plan.steps * plan.effective_batch
    fit: Fit | None = None
    return Estimate(
        hardware_id=None,
        hardware_label="",
        memory_bytes=None,
        memory_parts={},
        available_bytes=None,
        fit=fit,
        steps=plan.steps,
        effective_batch=plan.effective_batch,
        evaluations=plan.evaluations,
        tokens=round(rows * (load.padded + virtual)),
        trained_tokens=round(rows * load.mean * load.answers),
        seconds=None,
        parts={},
        dollars_per_hour=None,
        dollars=None,
        trained_parameters=counts.trained,
        total_parameters=counts.parameters,
        adapter_bytes=counts.adapter_bytes,
        source="",
        measured_runs=0,
        lengths_source=lengths.source,
        lengths_are_counted=lengths.are_counted,
        virtual_tokens=virtual,
    )
