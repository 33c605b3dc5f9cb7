"""The settings of a run as a table: what was asked for, and what it came to on the machine."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.forms import FormState, flat
from studio.methods import METHODS
from studio.runs import Run, RunSpec

# What later estimates learn from; its parts say nothing to a person, and the API has them.
_NOT_SHOWN = frozenset({"pace"})


@dataclass(frozen=True, slots=True)
class Setting:
    """One line; `changed` marks what differs from the default."""

    label: str
    value: str
    changed: bool


def settings_of(run: Run) -> dict[str, list[Setting]]:
    """Groups of settings by title."""
    values = flat(run.spec)
    state = FormState(values)
    method = METHODS[run.method]
    groups = {
        "Data": state.fields(RunSpec.model_fields["data"].annotation, "data"),  # type: ignore[arg-type]
        method.label: state.fields(method, f"method.{run.method}"),
        "Training": state.fields(RunSpec.model_fields["hyperparameters"].annotation, "hyperparameters"),  # type: ignore[arg-type]
        "Evaluation": state.fields(RunSpec.model_fields["evaluation"].annotation, "evaluation"),  # type: ignore[arg-type]
        "Limits": state.fields(RunSpec.model_fields["budget"].annotation, "budget"),  # type: ignore[arg-type]
    }
    shown = {
        title: [Setting(field.label, field.words or "–", field.changed) for field in fields]
        for title, fields in groups.items()
        if fields
    }
    return shown | ({"On the machine": list(_resolved(run.resolved))} if run.resolved else {})


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _resolved(config: Mapping[str, Any], prefix: str = "") -> Iterator[Setting]:
    for key, value in config.items():
        if key in _NOT_SHOWN:
            continue
        label = f"{prefix}{str(key).replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _resolved(value, f"{label}: ")
        else:
            text = _text(value)
            yield Setting(label[:1].upper() + label[1:], text, False)
