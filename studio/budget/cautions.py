"""What to know before launch, each with settings that would change it. Pure."""

import math
from collections.abc import Iterator

from studio.budget.capping import Spent, cap_of, words_of_cap
from studio.budget.estimate import Caution, Estimate, Fix
from studio.budget.hardware import HARDWARE
from studio.budget.lengths import Lengths
from studio.budget.shapes import ModelShape
from studio.methods import DoRA
from studio.runs import RunSpec

# Evaluations that take more of a run than this are worth a word; so is a share of rows that lose their end.
_MUCH_EVALUATION = 0.4
_MANY_CUT = 0.05
_MUCH_CONTEXT = 0.1
_SPARE_EVALUATIONS = 5


def cautions_of(
    spec: RunSpec, shape: ModelShape, lengths: Lengths, estimate: Estimate, fixes: tuple[Fix, ...]
) -> tuple[Caution, ...]:
    """The gravest first; `fixes` are those of its memory."""
    found = [
        *_memory(estimate, fixes),
        *_cap(spec, estimate),
        *_cut(spec, lengths),
        *_precision(spec, estimate),
        *_dropout(spec, estimate),
        *_context(spec, shape, lengths, estimate),
        *_evaluations(spec, estimate),
    ]
    return tuple(found)


def gibibytes(size: int) -> str:
    """Memory with the two digits that are known of it."""
    value = size / 2**30
    return f"{value:.2g} GiB" if value < 99.5 else f"{round(value, -math.floor(math.log10(value)) + 1):,.0f} GiB"


def _memory(estimate: Estimate, fixes: tuple[Fix, ...]) -> Iterator[Caution]:
    if estimate.memory_bytes is None or estimate.available_bytes is None or estimate.fit in (None, "fits"):
        return
    needs, has = gibibytes(estimate.memory_bytes), gibibytes(estimate.available_bytes)
    if estimate.fit == "tight":
        sentence = f"This run needs about {needs} of the {has} of {estimate.hardware_label}: tight, it may run out."
        yield Caution("memory", sentence, fixes)
        return
    sentence = f"This run needs about {needs}, and {estimate.hardware_label} has {has} for it."
    if not any(fix.fits for fix in fixes):
        sentence += " No setting makes it fit: take other hardware or a smaller base model."
    yield Caution("memory", sentence, fixes)


def _cap(spec: RunSpec, estimate: Estimate) -> Iterator[Caution]:
    """A cap that ends the run before its last step; one that leaves no step is refused instead."""
    cap = cap_of(spec.budget, Spent(), estimate.dollars_per_hour)
    if cap is None or estimate.seconds is None:
        return
    if not (estimate.least_seconds or 0) <= cap.seconds < estimate.seconds.high:
        return
    ends = "ends" if cap.seconds < estimate.seconds.low else "may end"
    limit = words_of_cap(spec.budget, cap.by)
    yield Caution("cap", f"The cap of {limit} {ends} this run before its last step. The best weights are kept.")


def _cut(spec: RunSpec, lengths: Lengths) -> Iterator[Caution]:
    share = lengths.share_cut(spec.data.max_length_tokens)
    if share > _MANY_CUT:
        about = "" if lengths.are_counted else "probably "
        sentence = f"{100 * share:.0f} % of the rows are {about}longer than {spec.data.max_length_tokens:,} tokens"
        yield Caution("cut", f"{sentence} and are cut.")


def _precision(spec: RunSpec, estimate: Estimate) -> Iterator[Caution]:
    """Hardware without bfloat16, as a T4 is: what the run computes in instead, or what was asked for nevertheless."""
    hardware, label = HARDWARE.get(estimate.hardware_id or ""), estimate.hardware_label
    if hardware is None or hardware.native_bf16:
        return
    if spec.hyperparameters.precision == "auto" and hardware.on_gpu:
        sentence = f"{label} has no bfloat16, so this run computes in float32: 16-bit weights take twice their memory"
        yield Caution("precision", f"{sentence}, and a step several times as long as on newer GPUs.")
    elif spec.hyperparameters.precision == "bfloat16":
        times = "twice" if hardware.on_gpu else "three times"
        sentence = f"{label} only emulates bfloat16: a step takes about {times} as long as in float32"
        attention = ", and its attention takes memory that is not counted here" if hardware.on_gpu else ""
        yield Caution("precision", f"{sentence}{attention}. Automatic precision takes float32.")


def _dropout(spec: RunSpec, estimate: Estimate) -> Iterator[Caution]:
    """peft multiplies what is dropped with the base weights again, and keeps those in the run's arithmetic."""
    if not isinstance(spec.method, DoRA) or not spec.method.dropout or estimate.seconds is None:
        return
    gives = "Less time and memory; with few rows a little more risk that they are learned by heart."
    fits = estimate.fit != "does_not_fit"
    fix = Fix("dropout", "Train without dropout", gives, {"method.dropout": 0.0}, estimate.memory_bytes, fits)
    sentence = "With dropout DoRA multiplies the base weights twice a step and, in bfloat16, keeps a copy of them."
    yield Caution("dropout", sentence, (fix,))


def _context(spec: RunSpec, shape: ModelShape, lengths: Lengths, estimate: Estimate) -> Iterator[Caution]:
    """What virtual tokens cost: they are part of every row, in training and in every later use."""
    if not estimate.virtual_tokens:
        return
    mean = max(1.0, lengths.mean(spec.data.max_length_tokens))
    share = estimate.virtual_tokens / mean
    context = f" of the {shape.context_tokens:,} that fit into the context" if shape.context_tokens else ""
    sentence = f"The learned prompt takes {estimate.virtual_tokens} tokens{context}"
    sentence += f" and makes rows {100 * share:.0f} % longer." if share > _MUCH_CONTEXT else "."
    yield Caution("context", sentence)


def _evaluations(spec: RunSpec, estimate: Estimate) -> Iterator[Caution]:
    if estimate.seconds is None:
        return
    measuring = estimate.parts["validation"] + estimate.parts["answers"]
    share = measuring / estimate.seconds.likely
    if share <= _MUCH_EVALUATION or estimate.evaluations <= 2:
        return
    every = max(1, -(-estimate.steps // _SPARE_EVALUATIONS))
    fixes = []
    if every > (spec.evaluation.every_steps or -(-estimate.steps // 10)):
        label = f"Evaluate every {every:,} steps"
        gives = "Fewer points on the validation curve, and less time beside training."
        changes = {"evaluation.every_steps": every}
        fixes.append(Fix("evaluations", label, gives, changes, estimate.memory_bytes, estimate.fit != "does_not_fit"))
    sentence = f"{estimate.evaluations} evaluations take {100 * share:.0f} % of the time."
    yield Caution("evaluations", sentence, tuple(fixes))
