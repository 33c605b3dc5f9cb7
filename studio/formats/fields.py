"""What stands beside the shape of a row: short values are kept with it, so that rows can be told apart by them."""

import math
from collections.abc import Collection, Iterator
from typing import Any

from studio.formats.problems import shown
from studio.formats.values import Row, Unused

FIELDS = "fields"
FIELDS_KEPT = 16
_FIELD_CHARACTERS = 200
_NAME_CHARACTERS = 100
# A switch for the service that a row was written for; it says nothing about the row.
_NO_FIELD = frozenset({"parallel_tool_calls"})


class FieldKeeper:
    """Decides which names are kept: the first 16 whose first value is a short text, a number or a truth value."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self._refused: set[str] = set()

    def kept(self, row: Row, used: Collection[str], unused: Unused) -> Row:
        """The fields of one row; `unused` is told of what is left out."""
        fields = {}
        for name, value in _beside(row, used):
            if value is None or value == "":
                continue
            if self._keeps(name, value):
                fields[name] = value
            else:
                unused(f"{name} (where it is long)" if name in self.names else name)
        return fields

    def _keeps(self, name: str, value: Any) -> bool:
        good = _is_short(value)
        if name in self.names or name in self._refused:
            return good and name in self.names
        if good and len(self.names) < FIELDS_KEPT and _is_name(name):
            self.names[name] = None
            return True
        self._refused.add(name)
        return False


def _beside(row: Row, used: Collection[str]) -> Iterator[tuple[str, Any]]:
    """What is no part of the shape; rows that were imported and exported before carry their fields in one object."""
    for name, value in row.items():
        if name in used:
            continue
        if name == FIELDS and isinstance(value, dict):
            yield from value.items()
        else:
            yield name, value


def _is_name(name: str) -> bool:
    return 0 < len(name) <= _NAME_CHARACTERS and shown(name, len(name)) == name and name not in _NO_FIELD


def _is_short(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _FIELD_CHARACTERS
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and -(2**63) <= value < 2**63
