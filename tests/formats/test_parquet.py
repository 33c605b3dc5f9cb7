"""Parquet: tables that are read, and files that are damaged, boundless or of other types."""

import gzip
import io
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from studio.formats.limits import ImportLimits
from studio.formats.report import Report

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

Check = Callable[..., Report]
CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def written(columns: dict[str, Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), stream, **options)
    return stream.getvalue()


TWO_ROWS = written({"text": ["a", "b"]})


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"text": ["a", "b"], "n": [1, 2]}, {"text": "a", "fields": {"n": 1}}),
        ({"prompt": ["a", "b"], "completion": ["c", "d"]}, {"prompt": "a", "completion": "c"}),
        ({"messages": [CHAT, CHAT]}, {"messages": CHAT}),
        ({"text": pyarrow.array(["a", "b"]).dictionary_encode()}, {"text": "a"}),
        ({"text": pyarrow.array(["a", "b"], pyarrow.large_string())}, {"text": "a"}),
        ({"prompt": [CHAT[:1]] * 2, "completion": [CHAT[1:]] * 2}, {"prompt": CHAT[:1], "completion": CHAT[1:]}),
    ],
)
def test_tables_are_read(rows: Callable[..., list[str]], columns: dict[str, Any], expected: dict[str, Any]) -> None:
    assert json.loads(rows("a.parquet", written(columns))[0]) == expected


def test_a_packed_table_is_read(rows: Callable[..., list[str]]) -> None:
    assert rows("a.parquet.gz", gzip.compress(TWO_ROWS)) == ['{"text":"a"}', '{"text":"b"}']


def test_columns_of_other_types_are_left_out(check: Check) -> None:
    report = check("a.parquet", written({"text": ["a", "b"], "image": [b"\xff", b"\xfe"]}))

    assert report.outcome == "accepted"
    assert report.facts["unused"] == ["image (binary)"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (TWO_ROWS[:-1], "incomplete or damaged: its last bytes are not a footer"),
        (TWO_ROWS[:100], "incomplete or damaged"),
        (b"PAR1PAR1", "incomplete or damaged"),
        (b"PAR1" + b"\xff" * 40 + b"\xff\xff\xff\x7fPAR1", "incomplete or damaged"),
        (b"PAR1" + b"\x00" * 40 + b"\x10\x00\x00\x00PAR1", "damaged and cannot be read"),
        (written({"text": [b"a", b"b"]}), "No column of the file can be read: text is binary"),
        (written({"text": pyarrow.array([b"0" * 16] * 2, pyarrow.uuid())}), "text is extension<arrow.uuid>"),
        (written({"text": []}), "The file has a header, but no rows."),
        (written({"text": ["a", "x\0y"]}), "row 2: text holds a NUL character"),
        (written({"text": ["a", None]}), "row 2: text is missing"),
        (written({"text": ["a"]}), "has 1 row; a dataset needs 2 at least"),
        (written({f"c{number}": [1, 2] for number in range(300)}), "300 columns; 256 are allowed"),
    ],
)
def test_bad_tables_are_refused(check: Check, content: bytes, reason: str) -> None:
    report = check("a.parquet", content)

    assert report.outcome == "invalid"
    assert reason in report.problems[0]


def test_text_that_is_not_utf8_is_refused(check: Check) -> None:
    array = pyarrow.Array.from_buffers(pyarrow.string(), 2, pyarrow.array([b"a", b"\xff"]).buffers())

    report = check("a.parquet", written({"text": array}))

    assert "Invalid UTF8" in report.problems[0]


def test_nesting_beyond_what_is_read_is_refused(check: Check) -> None:
    kind = pyarrow.string()
    for _ in range(120):
        kind = pyarrow.struct([("a", kind)])

    report = check("a.parquet", written({"text": pyarrow.array([None, None], kind)}))

    assert report.outcome == "invalid"
    assert "too deeply nested" in report.problems[0]


def test_more_rows_than_allowed_are_refused_from_the_footer(check: Check) -> None:
    content = written({"text": pyarrow.nulls(200_000, pyarrow.string())})

    report = check("a.parquet", content, limits=ImportLimits(rows=100_000))

    assert (report.outcome, report.message) == ("too_large", "The file has 200,000 rows; 100,000 are allowed.")


def test_a_text_repeated_without_end_stops_at_the_limit(check: Check) -> None:
    big = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 100_000), pyarrow.array(["x" * 10_000]))

    report = check("a.parquet", written({"text": big}), limits=ImportLimits(parquet_free_bytes=1_000_000))

    assert report.outcome == "too_large"
    assert "The rows take more than 1,000,000 bytes" in report.message


def test_what_is_not_parquet_is_refused(check: Check) -> None:
    report = check("a.parquet", b'{"text": "a"}\n' * 3)

    assert (report.outcome, report.message) == (
        "unsupported",
        "The name ends in .parquet, yet this is not a Parquet file.",
    )


def test_numbers_in_a_column_of_text_are_told_by_row(check: Check) -> None:
    report = check("a.parquet", written({"q": ["a", "b"], "n": [1, 2]}), mapping={"prompt": "q", "completion": "n"})

    assert report.problems == [f"row {row}: completion is a number; it must be a string" for row in (1, 2)]


def test_a_base_install_says_what_to_install(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    report = check("a.parquet", TWO_ROWS)

    assert report.problems[0].startswith(
        'Parquet files need pyarrow, which is not installed. Run pip install "tunewright'
    )
