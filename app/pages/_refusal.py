"""Why a file was refused, for the form that it was chosen in; where columns are asked for, with a look at the rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.pages._rows import Turn, turns_of
from studio import datasets
from studio.errors import InvalidInput, StudioError

MAPPING_PREFIX = "mapping."
SAMPLES_FIELD = "samples"
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class MappedSample:
    """A row of the file as turns, or why it cannot be read."""

    turns: list[Turn]
    problem: str


@dataclass(frozen=True, slots=True)
class MappingPreview:
    """The first rows by a mapping; `hint` says what the mapping lacks."""

    rows: list[MappedSample]
    hint: str = ""


@dataclass(frozen=True, slots=True)
class AskedMapping:
    """What a person needs to say what the columns hold: the columns, a first guess, and the first rows as JSON."""

    columns: Mapping[str, Sequence[str]]
    targets: Sequence[str]
    chosen: Mapping[str, str]
    samples: str
    preview: MappingPreview
    problem: str = ""
    is_first: bool = True
    """The mapping is what is wrong; otherwise it may be changed, but rows are what was refused."""


def mapping_of(values: Mapping[str, str]) -> dict[str, str]:
    """Target -> column, as far as the form says it."""
    named = {name.removeprefix(MAPPING_PREFIX): value for name, value in values.items() if _is_mapping(name)}
    return {target: column for target, column in named.items() if column}


def preview_of(samples: Sequence[dict[str, Any]], mapping: Mapping[str, str]) -> MappingPreview:
    """The rows as the mapping reads them."""
    if not samples:
        return MappingPreview([], "The rows are too wide to be shown here.")
    if not mapping:
        return MappingPreview([], "Choose columns to see the first rows as they would be read.")
    try:
        found = datasets.map_samples(samples, mapping)
    except InvalidInput as error:
        return MappingPreview([], error.message)
    return MappingPreview([MappedSample(turns_of(one.row or {}), one.problem) for one in found])


def refusal_context(error: StudioError | None, values: Mapping[str, str], *, is_kept: bool = False) -> dict[str, Any]:
    """What `_refusal.html` needs; `values` are the fields that were sent with the file, which `is_kept` or is not."""
    known = error if isinstance(error, InvalidInput) else None
    return {
        "error": error,
        "is_kept": is_kept,
        "fields": dict(known.fields) if known else {},
        "problems": known.problems if known else [],
        "good_rows": error.good_rows if isinstance(error, datasets.RowsRefused) else 0,
        "asked": _asked(known, values),
        "kept_mapping": {name: value for name, value in values.items() if _is_mapping(name) and value},
    }


def _asked(error: InvalidInput | None, values: Mapping[str, str]) -> AskedMapping | None:
    if isinstance(error, datasets.MappingNeeded):
        chosen = mapping_of(values) or datasets.guess_mapping(error.columns, error.samples)
        return _mapping(error.columns, error.samples, chosen)
    if error is None or SAMPLES_FIELD not in values:
        return None
    # The form still has the first rows, so the mapping can be changed.
    samples = datasets.read_samples(values[SAMPLES_FIELD])
    asked = _mapping(_columns(samples), samples, mapping_of(values))
    if any(name.startswith("mapping") for name in error.fields):
        return replace(asked, problem=" ".join(error.fields.values()))
    return replace(asked, is_first=False)


def _mapping(
    columns: Mapping[str, Sequence[str]], samples: list[dict[str, Any]], chosen: Mapping[str, str]
) -> AskedMapping:
    text = json.dumps(samples, ensure_ascii=False)
    return AskedMapping(columns, datasets.TARGETS, chosen, text, preview_of(samples, chosen))


def _columns(samples: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for row in samples:
        for name, value in row.items():
            columns.setdefault(name, []).append(str(value)[:_SHOWN_CHARACTERS])
    return columns


def _is_mapping(name: str) -> bool:
    return name.startswith(MAPPING_PREFIX)
