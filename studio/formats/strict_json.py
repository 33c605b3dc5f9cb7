"""JSON as RFC 8259 means it: what Python's parser lets pass in silence is refused with a sentence."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from studio.formats.limits import ImportLimits
from studio.formats.problems import RowProblem, kind_of, quoted

# Possessive, so that no input makes it look twice at a character.
_STRINGS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+', re.DOTALL)
_INTEGER_CHARACTERS = 20


def json_reader(limits: ImportLimits) -> Callable[[str], Any]:
    """Make a function that parses one JSON value and raises RowProblem."""

    def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            raise RowProblem(f"the key {quoted(_repeated(pairs))} appears twice in one object")
        if len(value) > limits.keys_per_object:
            raise RowProblem(f"an object has {len(value)} keys; {limits.keys_per_object} are allowed")
        return value

    decoder = json.JSONDecoder(
        object_pairs_hook=unique_keys,
        parse_int=_integer,
        parse_float=_finite,
        parse_constant=_refuse_constant,
    )

    def read(text: str) -> Any:
        _refuse_deep(text, limits.depth_levels)
        try:
            return decoder.decode(text)
        except json.JSONDecodeError as error:
            raise RowProblem(f"not valid JSON at character {error.pos + 1}: {error.msg}") from error

    return read


def object_reader(limits: ImportLimits) -> Callable[[str], dict[str, Any]]:
    """Make a function that parses one row and raises RowProblem."""
    read = json_reader(limits)

    def read_object(text: str) -> dict[str, Any]:
        value = read(text)
        if not isinstance(value, dict):
            raise RowProblem(f"a row is a JSON object, yet this is {kind_of(value)}")
        return value

    return read_object


def _refuse_deep(text: str, levels: int) -> None:
    """Count nesting before the parser recurses into it."""
    if text.count("[") + text.count("{") <= levels:
        return
    depth = 0
    for mark in _STRINGS.sub("", text):
        if mark in "[{":
            depth += 1
            if depth > levels:
                raise RowProblem(f"nested deeper than {levels} levels")
        elif mark in "]}":
            depth -= 1


def _repeated(pairs: list[tuple[str, Any]]) -> str:
    counts = Counter(key for key, _ in pairs)
    return next(key for key, count in counts.items() if count > 1)


def _integer(digits: str) -> int:
    if len(digits) > _INTEGER_CHARACTERS or not -(2**63) <= (number := int(digits)) < 2**63:
        raise RowProblem(f"the whole number {quoted(digits)} does not fit into 64 bits")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise RowProblem(f"the number {quoted(digits)} is too large")
    return number


def _refuse_constant(name: str) -> Any:
    raise RowProblem(f"{name} is not a JSON value; use null or a number")
