"""Ordinary lines of JSON read with orjson, many at a time; whatever is unusual is left to the strict reading.

Only what both readings agree on is taken here: the rows, the bytes and the refusals are the same without this module.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

import orjson

from studio.formats.canonical import canonical_line, without_fields
from studio.formats.columns import Plan
from studio.formats.facts import row_characters
from studio.formats.limits import ImportLimits
from studio.formats.messages import ROLES
from studio.formats.problems import RowProblem
from studio.formats.shapes import canonical_kind
from studio.formats.values import Row, Unused

_MESSAGE_KEYS = ["role", "content"]
_PLAIN_KEYS = {"messages": ["messages"], "prompt_completion": ["prompt", "completion"], "text": ["text"]}
_ROLES = frozenset(ROLES)
_NUL, _QUOTE_BY_NUMBER = b"\\u0000", b"\\u0022"
# Below it no whole number was turned into a float, so a float is what the file says.
_WHOLE_NUMBER_LIMIT = 2.0**63


class _Unusual(Exception):
    """The row is for the strict reading."""


@dataclass(slots=True)
class ReadRows:
    """Canonical lines without their line feeds, the characters of their texts, and the roles of their turns.

    `bare` are the lines without the fields of their rows.
    """

    lines: list[bytes]
    bare: list[bytes]
    characters: int
    spoken: list[str]

    def __iadd__(self, more: "ReadRows") -> Self:
        self.lines += more.lines
        self.bare += more.bare
        self.characters += more.characters
        self.spoken += more.spoken
        return self


class QuickReader:
    """Reads lines of one shape; `kind` is the canonical form that the file began with."""

    def __init__(self, plan: Plan, kind: str, limits: ImportLimits, unused: Unused) -> None:
        self._plan = plan
        self._kind = kind
        self._limits = limits
        self._unused = unused
        self._plain = plan.mapping is None and not plan.rename and plan.shape == kind and kind in _PLAIN_KEYS

    def read_all(self, lines: Sequence[bytes]) -> ReadRows | None:
        """Read rows that have the keys of the shape and no other; None if one of the lines is anything else."""
        if not self._plain or max(map(len, lines)) > self._limits.string_characters:
            return None
        if lines[0].endswith(b"\r"):
            lines = [line.removesuffix(b"\r") for line in lines]
        try:
            return self._read_plain(lines)
        except (ValueError, TypeError, LookupError, AttributeError, _Unusual):
            return None

    def _read_plain(self, lines: Sequence[bytes]) -> ReadRows:
        """All steps but reading and writing look at the rows together: a row is a few microseconds in all."""
        rows: list[Row] = []
        made: list[bytes] = []
        loads, dumps, add_row, add_line = orjson.loads, orjson.dumps, rows.append, made.append
        for line in lines:
            row = loads(line)
            add_row(row)
            add_line(dumps(row))
        _refuse_unless(_keys(rows) == _PLAIN_KEYS[self._kind] * len(rows))
        said, spoken = _turns(rows) if self._kind == "messages" else (_texts(rows), [])
        text = "".join(said)
        whole = b"\n".join(lines)
        _refuse_unless("\0" not in text and b"\r" not in whole and _QUOTE_BY_NUMBER not in whole)
        # A key that appears twice is written once, so that its quotes are missing.
        _refuse_unless(whole.count(b'"') == b"\n".join(made).count(b'"'))
        return ReadRows(made, made, len(text), spoken)

    def read(self, line: bytes) -> ReadRows | None:
        """Read one row of any shape; None if there is anything unusual about it."""
        limits = self._limits
        line = line.removesuffix(b"\r")
        if len(line) > limits.string_characters or b"\r" in line or _has_named_marks(line):
            return None
        if line.count(b"[") + line.count(b"{") > limits.depth_levels:
            return None
        try:
            row = orjson.loads(line)
            if type(row) is not dict or line.count(b'"') != orjson.dumps(row).count(b'"'):
                return None
            plain = not _has_floats(row, limits.keys_per_object)
            return self._canonical(row, plain and not any(map(_is_json_text, row.values())))
        except (ValueError, TypeError, RowProblem, _Unusual):
            return None

    def _canonical(self, row: Row, plain: bool) -> ReadRows | None:
        """`plain` promises that there is no float, which Python and orjson do not always write alike."""
        canonical = self._plan.canonical(row, self._unused)
        if canonical_kind(canonical) != self._kind:
            return None
        line = orjson.dumps(canonical) if plain else canonical_line(canonical, self._limits)[:-1]
        return None if len(line) > self._limits.string_characters else read_row(canonical, line)


def read_row(canonical: Row, line: bytes) -> ReadRows:
    """One row that was read by itself."""
    spoken: list[str] = []
    return ReadRows([line], [without_fields(line, canonical)], row_characters(canonical, spoken), spoken)


def _has_named_marks(line: bytes) -> bool:
    """Whether a NUL or a quote is written by its number: the one is refused, the other makes quotes hard to count."""
    return b"\\u00" in line and (_NUL in line or _QUOTE_BY_NUMBER in line)


def _has_floats(value: Any, keys: int) -> bool:
    """Raise _Unusual for numbers and objects that the strict reading refuses; nesting was counted before."""
    kind = type(value)
    if kind is dict:
        if len(value) > keys:
            raise _Unusual
        value = value.values()
    elif kind is not list:
        return _is_float(value, kind)
    found = False
    for item in value:
        if type(item) is not str and _has_floats(item, keys):
            found = True
    return found


def _is_float(value: Any, kind: type) -> bool:
    if kind is float and not -_WHOLE_NUMBER_LIMIT < value < _WHOLE_NUMBER_LIMIT:
        raise _Unusual
    if kind is int and value >= 2**63:
        raise _Unusual
    return kind is float


def _is_json_text(value: Any) -> bool:
    """A list or object that is written as text may hold floats of its own."""
    return type(value) is str and value.lstrip()[:1] in ("[", "{")


def _keys(objects: Iterable[dict[str, Any]]) -> list[str]:
    return [*chain.from_iterable(objects)]


def _values(objects: Iterable[dict[str, Any]]) -> list[Any]:
    return [*chain.from_iterable(map(dict.values, objects))]


def _turns(rows: list[Row]) -> tuple[list[str], list[str]]:
    """The contents and roles of all messages; raises what read_all catches unless each row ends in an answer."""
    conversations = _values(rows)
    for conversation in conversations:
        last = conversation[-1]
        _refuse_unless(last["role"] == "assistant" and last["content"].strip())
    messages = [*chain.from_iterable(conversations)]
    values = _values(messages)
    _refuse_unless(_keys(messages) == _MESSAGE_KEYS * len(messages) and _ROLES.issuperset(values[::2]))
    return values[1::2], values[::2]


def _texts(rows: list[Row]) -> list[str]:
    """All texts, none of them empty."""
    texts = _values(rows)
    _refuse_unless(all(map(str.strip, texts)))
    return texts


def _refuse_unless(usual: object) -> None:
    if not usual:
        raise _Unusual
