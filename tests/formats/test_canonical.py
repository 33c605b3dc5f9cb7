"""The files of canonical rows, and what may not go into them."""

import hashlib
import math
from pathlib import Path
from typing import Any

import pytest

from studio.formats.canonical import CanonicalFiles, canonical_line
from studio.formats.limits import ImportLimits
from studio.formats.problems import OverLimit, RowProblem


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "a\0b"}, "text holds a NUL character"),
        ({"messages": [{"content": "ok"}, {"content": "\0"}]}, "messages[1].content holds a NUL character"),
        ({"messages": [{"a\0": 1}]}, "a key of messages[0] holds a NUL character"),
        ({"text": "\ud800"}, "text holds half of a surrogate pair (\\ud800 to \\udfff)"),
        ({"messages": [{"content": "\udfff"}]}, "messages[0].content holds half of a surrogate pair"),
        ({"text": math.nan}, "a value is not a JSON value"),
        ({"text": b"x"}, "a value is not a JSON value"),
        ({"text": "x" * 101}, "text has more than 100 characters"),
        ({"a": ["x" * 90] * 6}, "longer than 500 bytes"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_place(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowProblem) as refusal:
        canonical_line(row, ImportLimits(string_characters=100, row_bytes=500))

    assert str(refusal.value).startswith(reason)


def test_the_written_name_of_nul_is_not_a_nul() -> None:
    assert canonical_line({"text": "\\u0000"}, ImportLimits()) == b'{"text":"\\\\u0000"}\n'


def test_rows_are_written_with_their_offsets_and_hash(tmp_path: Path) -> None:
    with CanonicalFiles(tmp_path, 1000) as files:
        files.write(b"one\n")
        files.write(b"three\n")

    assert (tmp_path / "rows.jsonl").read_bytes() == b"one\nthree\n"
    assert (tmp_path / "rows.offsets").read_bytes() == bytes(8) + (4).to_bytes(8, "little")
    assert files.sha256 == hashlib.sha256(b"one\nthree\n").hexdigest()
    assert files.size_bytes == 10


def test_rows_end_at_the_limit(tmp_path: Path) -> None:
    with CanonicalFiles(tmp_path, 5) as files, pytest.raises(OverLimit, match="more than 5 bytes"):
        files.write(b"123456\n")
