"""CSV and TSV: a header, then cells; quotes, line ends and their faults."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.formats.delimited import delimited_table
from studio.formats.limits import ImportLimits
from studio.formats.problems import FileProblem, RowProblem
from studio.formats.text import TextSource

CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


def read(content: str | bytes, file_format: str = "csv", **limits: int) -> list[dict[str, Any]]:
    raw = content.encode() if isinstance(content, str) else content
    table = delimited_table(TextSource(iter([raw])), file_format, ImportLimits(**limits))
    return [table.decode(row.raw) for row in table.rows]


@given(records=st.lists(st.tuples(CELL, CELL), max_size=8), end=st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_wrote_is_read_back(records: list[tuple[str, str]], end: str) -> None:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator=end)
    writer.writerows([("a", "b"), *records])

    assert read(written.getvalue()) == [{"a": a, "b": b} for a, b in records]


def test_a_semicolon_separates_where_the_header_uses_it() -> None:
    assert read("a;b\n1,5;2\n") == [{"a": "1,5", "b": "2"}]


def test_tabs_separate_in_tsv() -> None:
    assert read("a\tb\n1,5\t2\n", "tsv") == [{"a": "1,5", "b": "2"}]


def test_a_line_feed_inside_quotes_belongs_to_the_cell() -> None:
    assert read('a,b\r\n"x\r\ny",2\r\n') == [{"a": "x\ny", "b": "2"}]


def test_rows_know_the_line_they_begin_at() -> None:
    table = delimited_table(TextSource(iter([b'a,b\n"x\ny",2\n\n3,4\n'])), "csv", ImportLimits())

    assert [(row.number, row.line) for row in table.rows] == [(1, 2), (2, 5)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('a,b\n1,2\n"x,3\n4,5\n', "The row that begins at line 3 opens a quote that is never closed."),
        ('a,b\n"x"y,3\n', "The row that begins at line 2 has text after a closing quote"),
        ("a,b\n" + "x" * 200 + ",2\n", "The row that begins at line 2 has a cell of more than 100 characters"),
        ('a,b\n"' + "x\n" * 300, "The row that begins at line 2 has a cell of more than 100 characters"),
        ("a,b\n" + ",".join(["x" * 90] * 7) + "\n", "The line or row that begins at byte 4 is longer than 500 bytes."),
        ("a,\n1,2\n", "Column 2 has no name; the first line must name every column."),
        ("a,a\n1,2\n", "The header names the column 'a' twice."),
        (",".join(f"c{number}" for number in range(31)) + "\n", "The header names 31 columns; 30 are allowed."),
        ("a,b\r1,2\r", "There is a lone carriage return at byte 3"),
        ("a,b\n1,\0\n", "There is a NUL at byte 6"),
        (b"a,b\n1,\xe9\n", "The file is not UTF-8 at byte 6."),
    ],
)
def test_a_file_that_cannot_be_read_on_is_told_with_its_place(content: str | bytes, reason: str) -> None:
    with pytest.raises(FileProblem) as refusal:
        read(content, string_characters=100, row_bytes=500, columns=30)

    assert str(refusal.value).startswith(reason)


def test_a_row_of_many_quoted_lines_ends_at_the_row_limit() -> None:
    with pytest.raises(FileProblem, match="row that begins at line 2 is longer than 500 bytes; is a quote left open"):
        read('a,b\n"' + "x\n" * 300, row_bytes=500)


@pytest.mark.parametrize(("line", "found"), [("1", 1), ("1,2,3", 3)])
def test_a_row_with_other_cells_than_the_header_is_refused(line: str, found: int) -> None:
    with pytest.raises(RowProblem, match=f"has {found} cells, yet the header names 2 columns"):
        read(f"a,b\n{line}\n")


def test_a_cell_may_be_longer_than_pythons_default_limit() -> None:
    assert len(read("a,b\n" + "x" * 200_000 + ",2\n")[0]["a"]) == 200_000
