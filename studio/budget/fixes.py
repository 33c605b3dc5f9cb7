"""Settings that take less memory: each by itself, then the smallest combination that fits. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.budget.estimate import Fix
from studio.errors import InvalidInput
from studio.methods import METHODS, DoRA, LowRank, OverAnyBase, QLoRA
from studio.runs import RunSpec

_SHORTEST_TOKENS = 64
_MOST_ACCUMULATION = 1024

Measure = Callable[[RunSpec], tuple[int, bool]]
"""The bytes of a spec, and whether that fits; raises InvalidInput when its method does not fit its base model."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One change: what a button says, what it costs beside memory, and the settings."""

    key: str
    label: str
    costs: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """Its kind: of one kind only one can be taken."""
        return self.key.split("-")[0]


def applied(spec: RunSpec, changes: Mapping[str, Any]) -> RunSpec:
    """The spec with other settings by dotted path; a changed `method.kind` brings that method's usual settings."""
    parts: dict[str, dict[str, Any]] = {}
    for path, value in changes.items():
        part, _, name = path.partition(".")
        parts.setdefault(part, {})[name] = value
    update: dict[str, Any] = {}
    for part, values in parts.items():
        current = getattr(spec, part)
        if kind := values.pop("kind", None):
            current = METHODS[kind]()
        update[part] = current.model_copy(update=values)
    return spec.model_copy(update=update)


def fixes_for(
    spec: RunSpec, measure: Measure, *, suggested_length: int | None, smaller_models: Mapping[str, str]
) -> tuple[Fix, ...]:
    """What makes it smaller: first what fits, settings before a smaller base model, then what alone is not enough.

    `suggested_length` is the smallest longest row that keeps nearly all rows whole, `smaller_models` labels by id, the
    largest first.
    """
    before = measure(spec)[0]
    single = [_fix(spec, [step], measure) for step in _steps(spec, suggested_length)]
    saving = _one_of_each([fix for fix in single if fix.memory_bytes is not None and fix.memory_bytes < before])
    found = [fix for fix in saving if fix.fits]
    if not found:
        combined = _combined(spec, measure, suggested_length)
        found = [combined] if combined else []
    found += _smaller_models(spec, measure, smaller_models)
    return (*found, *(fix for fix in saving if not fix.fits))


def _one_of_each(fixes: list[Fix]) -> list[Fix]:
    """Of every kind the mildest that fits, else the strongest."""
    kinds: dict[str, Fix] = {}
    for fix in fixes:
        kind = fix.key.split("-")[0]
        if kind not in kinds or not kinds[kind].fits:
            kinds[kind] = fix
    return list(kinds.values())


def _combined(spec: RunSpec, measure: Measure, suggested_length: int | None) -> Fix | None:
    """Steps upon steps in their order until it fits, then without those that turn out not to be needed."""
    taken: dict[str, _Step] = {}
    changed = spec
    while step := _next(changed, suggested_length, taken):
        taken[step.group] = step
        changed = applied(changed, step.changes)
        if measure(changed)[1]:
            return _fix(spec, _needed(spec, list(taken.values()), measure), measure)
    return None


def _next(spec: RunSpec, suggested_length: int | None, taken: Mapping[str, _Step]) -> _Step | None:
    """The first kind of step that was not taken yet, in its strongest form."""
    strongest = {step.group: step for step in _steps(spec, suggested_length)}
    return next((step for group, step in strongest.items() if group not in taken), None)


def _needed(spec: RunSpec, steps: list[_Step], measure: Measure) -> list[_Step]:
    for step in list(steps):
        fewer = [one for one in steps if one is not step]
        if fewer and measure(applied(spec, _all(fewer)))[1]:
            steps = fewer
    return steps


def _fix(spec: RunSpec, steps: list[_Step], measure: Measure) -> Fix:
    changes = _all(steps)
    memory, fits = measure(applied(spec, changes))
    gives = " ".join(step.costs for step in steps)
    return Fix(
        ".".join(step.key for step in steps), _joined([step.label for step in steps]), gives, changes, memory, fits
    )


def _all(steps: list[_Step]) -> dict[str, Any]:
    return {path: value for step in steps for path, value in step.changes.items()}


def _joined(labels: list[str]) -> str:
    """`Use a 4-bit base, turn on gradient checkpointing`."""
    return ", ".join([labels[0], *(label[:1].lower() + label[1:] for label in labels[1:])])


def _steps(spec: RunSpec, suggested_length: int | None) -> Iterator[_Step]:
    """The mildest first: what changes nothing of the result, then what changes it a little."""
    chosen = spec.hyperparameters
    if suggested_length is not None and _SHORTEST_TOKENS <= suggested_length < spec.data.max_length_tokens:
        costs = "Keeps 99 of 100 rows whole."
        label = f"Cut rows at {suggested_length:,} tokens"
        yield _Step("suggested-length", label, costs, {"data.max_length_tokens": suggested_length})
    yield from _accumulated(spec)
    if not chosen.gradient_checkpointing:
        costs = "Computes activations again instead of keeping them: about a third slower, and the same result."
        yield _Step(
            "checkpointing", "Turn on gradient checkpointing", costs, {"hyperparameters.gradient_checkpointing": True}
        )
    if chosen.optimizer == "adamw" and spec.method.artifact == "model":
        costs = "The optimizer's state takes 2 bytes a trained weight instead of 8; nearly the same result."
        yield _Step("optimizer", "Use the 8-bit optimizer", costs, {"hyperparameters.optimizer": "adamw_8bit"})
    if isinstance(spec.method, DoRA) and spec.method.dropout:
        costs = "With few rows a little more risk that they are learned by heart; faster as well."
        yield _Step("dropout", "Train without dropout", costs, {"method.dropout": 0.0})
    yield from _four_bit(spec)
    if spec.data.max_length_tokens // 2 >= _SHORTEST_TOKENS:
        length = spec.data.max_length_tokens // 2
        costs = "Longer rows lose their end."
        yield _Step("length", f"Cut rows at {length:,} tokens", costs, {"data.max_length_tokens": length})


def _accumulated(spec: RunSpec) -> Iterator[_Step]:
    """Half of the rows at a time, or a quarter, down to one; a step is made of as many rows as before where it can."""
    effective, size = spec.hyperparameters.effective_batch, spec.hyperparameters.batch_size
    halves = [size >> times for times in range(1, size.bit_length())]
    for batch in dict.fromkeys([*(half for half in halves if effective % half == 0), *([1] if size > 1 else [])]):
        times = min(effective // batch, _MOST_ACCUMULATION)
        changes = {"hyperparameters.batch_size": batch, "hyperparameters.gradient_accumulation_steps": times}
        as_before = "as before" if times * batch == effective else f"instead of {effective:,}"
        costs = f"{times * batch:,} rows make a step {as_before}; a little slower."
        yield _Step(f"batch-{batch}", f"Batch of {batch}, accumulated {times:,} times", costs, changes)


def _four_bit(spec: RunSpec) -> Iterator[_Step]:
    method = spec.method
    if not isinstance(method, OverAnyBase):
        costs = "Trains an adapter over a 4-bit base instead of every weight: a small part of the memory."
        changes = {"method.kind": QLoRA.model_fields["kind"].default, "hyperparameters.learning_rate": None}
        yield _Step("qlora", "Use QLoRA instead of all weights", costs, changes)
    elif method.base_bits != 4:
        changes = {"method.base_bits": 4}
        if isinstance(method, LowRank) and method.initialisation != "default":
            # PiSSA needs the exact weights.
            changes["method.initialisation"] = "default"
        yield _Step(
            "4-bit", "Hold the base in 4 bits", "As in QLoRA: a little less exact, and a little slower.", changes
        )


def _smaller_models(spec: RunSpec, measure: Measure, labels: Mapping[str, str]) -> Iterator[Fix]:
    """The largest that fits; smaller ones fit as well, and learn less."""
    for base_model_id, label in labels.items():
        costs = "A smaller base model: cheaper, and it may well do."
        step = _Step("model", f"Take {label}", costs, _model(base_model_id))
        try:
            fix = _fix(spec, [step], measure)
        except InvalidInput:  # the method's targets are layers of another architecture
            continue
        if fix.fits:
            yield fix
            return


def _model(base_model_id: str) -> dict[str, Any]:
    return {"base_model.id": base_model_id, "base_model.revision": None}
