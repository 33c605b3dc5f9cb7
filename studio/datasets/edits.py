"""Rows that a person edits: they obey the rules of an import."""

from typing import Any

from studio.errors import InvalidInput
from studio.formats.canonical import canonical_line
from studio.formats.limits import ImportLimits
from studio.formats.problems import RowProblem
from studio.formats.shapes import canonical_row
from studio.formats.strict_json import json_reader

# Kept beside the texts of a row as they are.
_BESIDE = "fields"


def check_edit(canonical: str, row: dict[str, Any], where: str = "row") -> None:
    """Raise InvalidInput, with the sentence at `where`, unless the row could have been imported as it is."""
    limits = ImportLimits()
    told = {key: value for key, value in row.items() if key != _BESIDE}
    try:
        clean = canonical_row(canonical, told, unused=_refuse_unknown, read_json=json_reader(limits))
        if unknown := sorted(set(told) - set(clean)):
            _refuse_unknown(unknown[0])
        canonical_line(row, limits)
    except RowProblem as problem:
        sentence = f"The row cannot be kept so: {problem}."
        raise InvalidInput(sentence, fields={where: sentence}) from problem
    if clean != told:
        sentence = "The row is not in the form in which rows are kept."
        raise InvalidInput(sentence, fields={where: sentence})


def _refuse_unknown(name: str) -> None:
    raise RowProblem(f"{name} is no part of such a row")
