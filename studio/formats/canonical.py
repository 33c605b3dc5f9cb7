"""The files of canonical rows: one JSON object a line, and where each line begins."""

import hashlib
import json
import re
import sys
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any

from studio.formats.limits import ImportLimits
from studio.formats.problems import OverLimit, RowProblem
from studio.formats.values import Row

OFFSET_BYTES = 8
# A text cannot hold this: its quotes are escaped. Fields are short values, no objects, so the last one is theirs.
_FIELDS_BEGIN = b',"fields":{'
_ESCAPED_NUL = "\\u0000"
_SURROGATE = re.compile("[\ud800-\udfff]")
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def canonical_line(row: Row, limits: ImportLimits) -> bytes:
    """Write a row as one line; raises RowProblem for what no database or tokenizer can keep."""
    try:
        text = _encode(row)
        line = text.encode() + b"\n"
    except UnicodeEncodeError as error:
        raise RowProblem(
            f"{_path_of(row, _has_surrogate)} holds half of a surrogate pair (\\ud800 to \\udfff)"
        ) from error
    except (ValueError, TypeError) as error:
        raise RowProblem("a value is not a JSON value (NaN, infinity, a date or bytes)") from error
    if _ESCAPED_NUL in text and (where := _path_of(row, _has_nul)):
        raise RowProblem(f"{where} holds a NUL character")
    if len(text) > limits.string_characters:
        _refuse_long(row, len(line), limits)
    return line


def without_fields(line: bytes, row: Row) -> bytes:
    """The line of a row as it would be without its fields, which come last; `line` is without its line feed."""
    if "fields" not in row:
        return line
    return line[: line.rindex(_FIELDS_BEGIN)] + b"}"


class CanonicalFiles:
    """Writes rows and offsets and hashes the rows on the way."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._digest = hashlib.sha256()
        self._rows = (folder / "rows.jsonl").open("wb", buffering=1 << 20)
        self._offsets = (folder / "rows.offsets").open("wb", buffering=1 << 16)
        self.size_bytes = 0

    def __enter__(self) -> "CanonicalFiles":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.close()
        self._offsets.close()

    def write(self, line: bytes) -> None:
        """Add one row; raises OverLimit."""
        self._offsets.write(self.size_bytes.to_bytes(OFFSET_BYTES, "little"))
        self._rows.write(line)
        self._digest.update(line)
        self.size_bytes += len(line)
        self._refuse_large()

    def write_all(self, lines: Sequence[bytes]) -> None:
        """Add many rows, given without their line feeds; raises OverLimit."""
        joined = b"\n".join((*lines, b""))
        begins = array("Q", accumulate((len(line) + 1 for line in lines), initial=self.size_bytes))
        self.size_bytes = begins.pop()
        if sys.byteorder == "big":
            begins.byteswap()
        self._offsets.write(begins)
        self._rows.write(joined)
        self._digest.update(joined)
        self._refuse_large()

    def _refuse_large(self) -> None:
        if self.size_bytes > self._limit_bytes:
            raise OverLimit(f"The rows take more than {self._limit_bytes:,} bytes, which is the limit for this file.")

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of all rows so far."""
        return self._digest.hexdigest()


def _refuse_long(row: Row, line_bytes: int, limits: ImportLimits) -> None:
    if line_bytes > limits.row_bytes:
        raise RowProblem(f"longer than {limits.row_bytes:,} bytes")
    if where := _path_of(row, lambda text: len(text) > limits.string_characters):
        raise RowProblem(f"{where} has more than {limits.string_characters:,} characters")


def _has_nul(text: str) -> bool:
    return "\0" in text


def _has_surrogate(text: str) -> bool:
    return _SURROGATE.search(text) is not None


def _path_of(value: Any, bad: Callable[[str], bool], path: str = "") -> str:
    """Find the first text for which `bad` holds, such as `messages[0].content`."""
    if isinstance(value, str):
        return (path or "the row") if bad(value) else ""
    if isinstance(value, dict):
        return _path_in_object(value, bad, path)
    if isinstance(value, list):
        found = (_path_of(item, bad, f"{path}[{index}]") for index, item in enumerate(value))
        return next(filter(None, found), "")
    return ""


def _path_in_object(value: dict[str, Any], bad: Callable[[str], bool], path: str) -> str:
    for key, item in value.items():
        if bad(key):
            return f"a key of {path or 'the row'}"
        if where := _path_of(item, bad, f"{path}.{key}".removeprefix(".")):
            return where
    return ""
