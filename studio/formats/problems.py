"""What can be wrong with a file, as exceptions that carry one sentence."""

import re
from collections.abc import Sequence
from typing import Any

_SHOWN_CHARACTERS = 80
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class RowProblem(Exception):
    """One row cannot be used; the rows after it are still checked."""


class FileProblem(Exception):
    """Nothing after this place can be read."""


class UnreadableKind(FileProblem):
    """The file is of a kind that is not read here."""


class OverLimit(FileProblem):
    """The file is larger than the limit, packed or unpacked."""


class NeedsMapping(Exception):
    """The columns are not known by name: `columns` holds each with a few values, `samples` the first rows."""

    def __init__(self, columns: dict[str, list[str]], samples: list[dict[str, Any]]) -> None:
        super().__init__("The columns cannot be guessed.")
        self.columns = columns
        self.samples = samples


class MappingFault(Exception):
    """The given mapping does not fit the file; `fields` names each wrong entry."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__("The column mapping does not fit this file.")
        self.fields = fields


class ProblemList:
    """Counts all problems and keeps the first few."""

    def __init__(self, keep: int) -> None:
        self.first: list[str] = []
        self.count = 0
        self._keep = keep

    def add(self, sentence: str) -> None:
        """Count one more problem."""
        self.count += 1
        if len(self.first) < self._keep:
            self.first.append(sentence)


def shown(text: str, limit: int = _SHOWN_CHARACTERS) -> str:
    """Make foreign text safe to show: control, direction and surrogate characters become symbols."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return _UNSHOWABLE.sub(_symbol, cut)


def quoted(value: object) -> str:
    """Name a foreign value in a sentence."""
    if isinstance(value, str):
        return f"'{shown(value, 40)}'"
    return shown(repr(value), 40) if isinstance(value, int | float) else kind_of(value)


def kind_of(value: object) -> str:
    """Say in JSON's words what a value is."""
    names: Sequence[tuple[type | tuple[type, ...], str]] = (
        (str, "a string"),
        (bool, "true or false"),
        ((int, float), "a number"),
        (dict, "an object"),
        (list, "a list"),
        (type(None), "null"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "a value of an unknown kind")


def place(row: int, line: int | None) -> str:
    """Say where a row is; the line is named only where it differs."""
    return f"row {row}" if line in (None, row) else f"row {row} (line {line})"


def _symbol(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"
