"""The first rows of a file as a mapping would read them, before the file is sent again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio.errors import InvalidInput
from studio.formats import samples
from studio.formats.problems import MappingFault, RowProblem


@dataclass(frozen=True, slots=True)
class MappedRow:
    """A canonical row, or why a row of the file cannot be read so."""

    row: dict[str, Any] | None
    problem: str = ""


def read_samples(text: str) -> list[dict[str, Any]]:
    """The rows of a refusal, after a form held them as JSON; raises InvalidInput."""
    try:
        return samples.read_samples(text)
    except RowProblem as problem:
        raise InvalidInput(f"The first rows cannot be shown: {problem}. Choose the file again.") from problem


def map_samples(rows: Sequence[dict[str, Any]], mapping: Mapping[str, str]) -> list[MappedRow]:
    """Each row as the mapping (target -> column) makes it; raises InvalidInput while the mapping is not whole."""
    try:
        found = samples.map_samples(rows, mapping)
    except MappingFault as fault:
        raise InvalidInput(" ".join(fault.fields.values()), fields=fault.fields) from fault
    return [MappedRow(None, row) if isinstance(row, str) else MappedRow(row) for row in found]


def guess_mapping(columns: Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """A mapping to begin with, from the names of the columns; empty where they say nothing."""
    return samples.guess_mapping(columns, rows)
