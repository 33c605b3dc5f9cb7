"""What a spec changes against another one, as far as it decides what comes out. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from studio.runs.spec import RunSpec

# These decide what is seen, what it costs or how it fits, and not what is learned.
_WITHOUT_EFFECT = {
    "dataset_version_id",
    "sha256",
    "sample_prompts",
    "sample_tokens",
    "gradient_checkpointing",
    "gradient_accumulation_steps",
    "batch_size",
    "learning_rate",
    "kind",
}


@dataclass(frozen=True, slots=True)
class Change:
    """A setting in words, before and after; both are empty for what has no short value."""

    label: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{self.label}: {self.before} → {self.after}" if self.before or self.after else self.label


def changes(before: RunSpec, after: RunSpec) -> list[Change]:
    """Every change, the largest first; another method is one, with all of its settings."""
    return list(_changes(before, after))


def _changes(before: RunSpec, after: RunSpec) -> Iterator[Change]:
    if before.base_model != after.base_model:
        yield _change("base model", before.base_model.id, after.base_model.id)
    if before.data.dataset_version_id != after.data.dataset_version_id:
        yield Change("another version of the data")
    same_method = type(before.method) is type(after.method)
    if not same_method:
        yield Change("method", before.method.label, after.method.label)
    old, new = before.hyperparameters, after.hyperparameters
    # Another method has another usual rate: only one that was asked for is a change of its own.
    rates = (before.learning_rate, after.learning_rate) if same_method else (old.learning_rate, new.learning_rate)
    if rates[0] != rates[1]:
        yield _change("learning rate", *rates)
    if old.effective_batch != new.effective_batch:
        yield _change("rows a step", old.effective_batch, new.effective_batch)
    if same_method:
        yield from _fields(before.method, after.method)
    for part in ("hyperparameters", "data", "evaluation"):
        yield from _fields(getattr(before, part), getattr(after, part))


def _fields(before: BaseModel, after: BaseModel) -> Iterator[Change]:
    for name, field in type(after).model_fields.items():
        one, other = getattr(before, name), getattr(after, name)
        if one != other and name not in _WITHOUT_EFFECT:
            title = field.title or name.replace("_", " ")
            label = title[:1].lower() + title[1:] if title[1:2].islower() else title
            yield Change(label) if isinstance(one, BaseModel | tuple) else _change(label, one, other)


def _change(label: str, before: Any, after: Any) -> Change:
    return Change(label, _said(before), _said(after))


def _said(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
