"""JSON Lines and arrays give the same rows, however the bytes are cut."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.formats.json_rows import json_table
from studio.formats.limits import ImportLimits
from studio.formats.problems import FileProblem
from studio.formats.text import TextSource

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.lists(st.dictionaries(st.text('ab,[]{}"\\ \n', max_size=5), VALUES, max_size=4), max_size=6)


def read(content: bytes, piece_bytes: int = 1 << 18, **limits: int) -> list[dict[str, Any]]:
    pieces = (content[at : at + piece_bytes] for at in range(0, len(content), piece_bytes))
    table = json_table(TextSource(pieces), ImportLimits(**limits))
    return [table.decode(row.raw) for row in table.rows]


@given(objects=OBJECTS, piece_bytes=st.integers(1, 40), indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_an_array_is_cut_into_its_elements(
    objects: list[dict[str, Any]], piece_bytes: int, indent: int | None, ascii_only: bool
) -> None:
    content = json.dumps(objects, indent=indent, ensure_ascii=ascii_only).encode()

    # The first bytes are looked at together; what follows comes in small pieces.
    assert read(b"[" + b" " * 600 + content[1:], piece_bytes) == objects


@given(objects=OBJECTS, piece_bytes=st.integers(1, 40), end=st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_lines_are_cut_at_line_feeds(objects: list[dict[str, Any]], piece_bytes: int, end: str) -> None:
    content = "".join(json.dumps(row) + end for row in objects).encode()

    assert read(b'{"first": 1}\n' + content, piece_bytes)[1:] == objects


def test_a_line_separator_inside_a_text_does_not_end_the_line() -> None:
    assert read('{"a": "x\u2028y\u2029z\x85"}\n{"a": "b"}'.encode()) == [{"a": "x\u2028y\u2029z\x85"}, {"a": "b"}]


def test_rows_are_numbered_by_rows_and_by_lines() -> None:
    table = json_table(TextSource(iter([b'{}\n\n  \n{"a": 1}\n'])), ImportLimits())

    assert [(row.number, row.line) for row in table.rows] == [(1, 1), (2, 4)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[{"a": 1}, {"a": ', "The file ends in the middle of row 2; it is incomplete."),
        (b'[{"a": 1}, {"a": "x', "The file ends in the middle of row 2; it is incomplete."),
        (b"[", "The file ends in the middle of row 1; it is incomplete."),
        (b'[{"a": 1}] x', "There is something after the end of the array, at byte 10."),
        (b'[{"a": 1}][{"a": 1}]', "There is something after the end of the array, at byte 10."),
        (b"[" * 100_000, "Row 1 is nested deeper than 64 levels."),
        (b'[{"a": "' + b"x" * 2000 + b'"}]', "The line or row that begins at byte 1 is longer than 1,000 bytes."),
        (b'{"a": "' + b"x" * 2000 + b'"}', "The line or row that begins at byte 0 is longer than 1,000 bytes."),
        (b'{"a": 1}\n{"a": "\xff"}', "The file is not UTF-8 at byte 16. Save it as UTF-8 and upload it again."),
        (b'[{"a": 1},{"a": "\xff"}]', "The file is not UTF-8 at byte 17. Save it as UTF-8 and upload it again."),
        (b'\xef\xbb\xbf{"a": "\xff"}', "The file is not UTF-8 at byte 10. Save it as UTF-8 and upload it again."),
        (b'{"a": "\xed\xa0\x80"}', "The file is not UTF-8 at byte 7. Save it as UTF-8 and upload it again."),
        (
            b'{"a": 1}\r{"a": 2}\r',
            "There is a lone carriage return at byte 8; save the file with LF or CRLF line ends.",
        ),
        (b'{"a": "\0"}', "There is a NUL at byte 7; text holds none. Is the file binary, or UTF-16?"),
        ('{"a": 1}'.encode("utf-16"), "The file is not UTF-8 at byte 0: it looks like UTF-16. Save it as UTF-8."),
    ],
)
def test_a_file_that_cannot_be_read_on_is_told_with_its_place(content: bytes, reason: str) -> None:
    with pytest.raises(FileProblem) as refusal:
        read(content, row_bytes=1000)

    assert str(refusal.value) == reason


def test_a_byte_order_mark_is_left_out() -> None:
    assert read(b'\xef\xbb\xbf{"a": 1}') == [{"a": 1}]
    assert read(b'\xef\xbb\xbf[{"a": 1}]') == [{"a": 1}]
