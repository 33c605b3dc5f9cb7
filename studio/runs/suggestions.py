"""What to try after a failure or an alert: other settings of the same run, each a spec that one click launches."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from studio.methods import LowRank, OverAnyBase, QLoRA
from studio.runs.spec import RunSpec

_WANTED = 3
_SHORTEST_TOKENS = 64
_MOST_ACCUMULATION = 1024
_WEIGHT_DECAY = 0.01


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Other settings; `key` names them in an address, `label` goes behind "Run again with"."""

    key: str
    label: str
    why: str
    spec: RunSpec


Step = Callable[[RunSpec], Suggestion | None]


def suggestions_for(spec: RunSpec, failure_kind: str | None) -> list[Suggestion]:
    """Settings that may get past a failure of this kind, the likeliest first; none where settings are not the cause."""
    if failure_kind == "oom_gpu":
        return smaller_settings(spec)
    if failure_kind == "oom_host":
        return _chained(spec, _HOST_STEPS)
    return calmer_settings(spec) if failure_kind == "non_finite" else []


def suggestions_for_alert(spec: RunSpec, kind: str, facts: Mapping[str, float]) -> list[Suggestion]:
    """Settings against what an alert of this kind found; none where settings are not the cause."""
    if kind == "not_learning":
        kind = "rising" if facts.get("rises") else "flat"
    if kind == "zero_loss" and facts.get("by_heart"):
        kind = "overfitting"
    return _each(spec, _ALERT_STEPS.get(kind, ()))


def find_suggestion(spec: RunSpec, key: str) -> Suggestion | None:
    """The suggestion of that key, whatever the failure or the alert was."""
    offered = [*smaller_settings(spec), *_chained(spec, _HOST_STEPS), *calmer_settings(spec)]
    offered += [one for steps in _ALERT_STEPS.values() for one in _each(spec, steps)]
    return next((one for one in offered if one.key == key), None)


def smaller_settings(spec: RunSpec) -> list[Suggestion]:
    """Settings that take less GPU memory for the same effective batch: at least three, as long as there are any."""
    return _chained(spec, _GPU_STEPS)


def calmer_settings(spec: RunSpec) -> list[Suggestion]:
    """Settings that keep the loss finite."""
    return _each(spec, (_slower, _clipped))


def _each(spec: RunSpec, steps: tuple[Step, ...]) -> list[Suggestion]:
    return [found for step in steps if (found := step(spec))]


def _chained(spec: RunSpec, steps: tuple[Step, ...]) -> list[Suggestion]:
    """Each step by itself; where fewer than three apply, steps upon steps."""
    found = _each(spec, steps)
    place = 0
    while len(found) < _WANTED and place < len(found):
        for further in _further(found[place], steps):
            if len(found) < _WANTED and all(further.spec != known.spec for known in found):
                found.append(further)
        place += 1
    return found


def _further(first: Suggestion, steps: tuple[Step, ...]) -> Iterator[Suggestion]:
    for step in steps:
        if then := step(first.spec):
            same = first.key.rsplit(".", 1)[-1] == then.key
            label = then.label if same else f"{first.label}, {then.label}"
            yield Suggestion(f"{first.key}.{then.key}", label, then.why, then.spec)


def _halved_batch(spec: RunSpec) -> Suggestion | None:
    """The largest batch of at most half the size that divides the effective batch."""
    parameters = spec.hyperparameters
    effective = parameters.effective_batch
    batch = next((size for size in range(parameters.batch_size // 2, 0, -1) if effective % size == 0), None)
    if batch is None or effective // batch > _MOST_ACCUMULATION:
        return None
    label = f"batch {batch} x accumulation {effective // batch}"
    why = f"Half the activations at a time; {effective} rows make a step as before. A little slower."
    changed = _with(spec, batch_size=batch, gradient_accumulation_steps=effective // batch)
    return Suggestion("batch", label, why, changed)


def _recomputed(spec: RunSpec) -> Suggestion | None:
    if spec.hyperparameters.gradient_checkpointing:
        return None
    why = "Activations are computed again instead of kept: about 40 % slower, and a fraction of their memory."
    return Suggestion("checkpointing", "gradient checkpointing", why, _with(spec, gradient_checkpointing=True))


def _four_bit(spec: RunSpec) -> Suggestion | None:
    method = spec.method
    if not isinstance(method, OverAnyBase):
        why = "Trains an adapter over a 4-bit base instead of every weight: a small part of the memory."
        changed = _with(spec.model_copy(update={"method": QLoRA()}), learning_rate=None)
        return Suggestion("qlora", "QLoRA instead of all weights", why, changed)
    if method.base_bits == 4:
        return None
    update: dict[str, Any] = {"base_bits": 4}
    if isinstance(method, LowRank):
        # PiSSA needs the exact weights.
        update["initialisation"] = "default"
    why = "As in QLoRA: the frozen weights take about a quarter of the memory, and are a little less exact."
    changed = spec.model_copy(update={"method": method.model_copy(update=update)})
    return Suggestion("4-bit", "a 4-bit base", why, changed)


def _shorter(spec: RunSpec) -> Suggestion | None:
    length = spec.data.max_length_tokens // 2
    if length < _SHORTEST_TOKENS:
        return None
    why = "Memory grows with the longest row; what is beyond is cut."
    data = spec.data.model_copy(update={"max_length_tokens": length})
    return Suggestion("length", f"rows of at most {length} tokens", why, spec.model_copy(update={"data": data}))


def _narrower(spec: RunSpec) -> Suggestion | None:
    """Half the rank, and half of alpha with it, so that the update keeps its scale."""
    method = spec.method
    if not isinstance(method, LowRank) or method.rank < 2:
        return None
    rank = method.rank // 2
    smaller = method.model_copy(update={"rank": rank, "alpha": max(1, method.alpha * rank // method.rank)})
    why = "Fewer trained weights, and less optimizer state beside them."
    return Suggestion("rank", f"rank {rank}", why, spec.model_copy(update={"method": smaller}))


def _small_optimizer(spec: RunSpec) -> Suggestion | None:
    if spec.hyperparameters.optimizer != "adamw":
        return None
    why = "The optimizer's state takes 2 bytes a trained weight instead of 8."
    return Suggestion("optimizer", "the 8-bit optimizer", why, _with(spec, optimizer="adamw_8bit"))


def _slower(spec: RunSpec) -> Suggestion | None:
    rate = spec.learning_rate / 2
    why = "Steps that are too long are the usual cause."
    return Suggestion("learning-rate", f"half the learning rate ({rate:g})", why, _with(spec, learning_rate=rate))


def _clipped(spec: RunSpec) -> Suggestion | None:
    norm = 0.3
    if spec.hyperparameters.max_gradient_norm <= norm:
        return None
    why = "A single wild batch then moves the weights less."
    return Suggestion("clipping", f"gradients clipped at {norm:g}", why, _with(spec, max_gradient_norm=norm))


def _much_slower(spec: RunSpec) -> Suggestion:
    rate = spec.learning_rate / 4
    why = "Steps that are far too long throw the weights out of where they work."
    label = f"a quarter of the learning rate ({rate:g})"
    return Suggestion("quarter-rate", label, why, _with(spec, learning_rate=rate))


def _faster(spec: RunSpec) -> Suggestion | None:
    """The usual rate where it is higher, else three times as much; never far above what is usual."""
    usual = spec.method.default_learning_rate
    rate = usual if spec.learning_rate < usual else min(3 * spec.learning_rate, 10 * usual, 1.0)
    if rate <= spec.learning_rate:
        return None
    label = f"a learning rate of {rate:g}"
    why = "It is usual for this method." if rate == usual else "Longer steps get off a plateau, if it is one."
    return Suggestion("higher-rate", label, why, _with(spec, learning_rate=rate))


def _dropped(spec: RunSpec) -> Suggestion | None:
    method, wanted = spec.method, 0.1
    if not isinstance(method, LowRank) or method.dropout >= wanted:
        return None
    why = "Leaves out some inputs at each step, so that no row is learned by heart as easily."
    changed = spec.model_copy(update={"method": method.model_copy(update={"dropout": wanted})})
    return Suggestion("dropout", f"dropout {wanted:g}", why, changed)


def _decayed(spec: RunSpec) -> Suggestion | None:
    if spec.method.artifact != "model" or spec.hyperparameters.weight_decay >= _WEIGHT_DECAY:
        return None
    why = "Pulls the weights back a little at each step."
    changed = _with(spec, weight_decay=_WEIGHT_DECAY)
    return Suggestion("weight-decay", f"weight decay {_WEIGHT_DECAY:g}", why, changed)


def _fewer_passes(spec: RunSpec) -> Suggestion | None:
    """Half of the steps or of the epochs, one epoch at least."""
    chosen, why = spec.hyperparameters, "The rows are seen less often, and cost less."
    if chosen.max_steps is not None:
        steps = chosen.max_steps // 2
        return Suggestion("epochs", f"{steps} steps", why, _with(spec, max_steps=steps)) if steps else None
    if chosen.epochs <= 1:
        return None
    epochs = max(1.0, round(chosen.epochs / 2, 1))
    label = "1 epoch" if epochs == 1 else f"{epochs:g} epochs"
    return Suggestion("epochs", label, why, _with(spec, epochs=epochs))


def _accumulated(spec: RunSpec) -> Suggestion | None:
    passes = spec.hyperparameters.gradient_accumulation_steps * 2
    if passes > _MOST_ACCUMULATION:
        return None
    rows = spec.hyperparameters.effective_batch * 2
    why = "One odd row weighs half as much in a step. The memory stays as it is."
    changed = _with(spec, gradient_accumulation_steps=passes)
    return Suggestion("larger-batch", f"{rows} rows a step", why, changed)


def _with(spec: RunSpec, **changes: Any) -> RunSpec:
    return spec.model_copy(update={"hyperparameters": spec.hyperparameters.model_copy(update=changes)})


_GPU_STEPS: tuple[Step, ...] = (_halved_batch, _recomputed, _four_bit, _shorter, _narrower, _small_optimizer)
_HOST_STEPS: tuple[Step, ...] = (_four_bit, _halved_batch, _shorter)
_ALERT_STEPS: dict[str, tuple[Step, ...]] = {
    "overfitting": (_slower, _dropped, _decayed, _fewer_passes),
    "rising": (_much_slower, _clipped),
    "flat": (_faster,),
    "divergence": (_much_slower, _clipped),
    "gradient_spikes": (_clipped, _accumulated, _slower),
    "dead_learning_rate": (_faster,),
}
