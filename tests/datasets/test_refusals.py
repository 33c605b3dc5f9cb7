"""Refusals on the whole way through the child: the status, the sentence, and nothing left behind."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.datasets import ImportLimits
from studio.errors import InvalidInput, TooLarge, UnsupportedFile
from tests.datasets.conftest import TWO_ROWS, Import, packed

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
FilesLeft = Callable[[], list[Path]]
CHAT = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}


BAD_ROWS: list[tuple[str, bytes, str]] = [
    ("a.jsonl", b"", "The file is empty: it has no rows."),
    ("a.csv", b"prompt,completion\n", "The file has a header, but no rows."),
    ("a.jsonl", b'{"text": "a"}\n', "The file has 1 row; a dataset needs 2 at least"),
    ("a.jsonl", '{"text": "é"}\n'.encode("latin-1") * 2, "The file is not UTF-8 at byte 10."),
    ("a.jsonl", '{"text": "a"}\n'.encode("utf-16") * 2, "The file is not UTF-8 at byte 0: it looks like UTF-16."),
    ("a.jsonl", '{"text": "a"}\n'.encode("utf-16-le") * 2, "There is a NUL at byte 1"),
    ("a.jsonl", TWO_ROWS + b'{"text": "a\\u0000"}', "row 3: text holds a NUL character"),
    ("a.jsonl", TWO_ROWS + b'{"text": "\\ud800"}', "row 3: text holds half of a surrogate pair"),
    ("a.jsonl", TWO_ROWS + b'{"text": "a", "text": "b"}', "row 3: the key 'text' appears twice"),
    ("a.jsonl", TWO_ROWS + b'{"text": NaN}', "row 3: NaN is not a JSON value"),
    ("a.jsonl", TWO_ROWS + b'{"text": 1e999}', "row 3: the number '1e999' is too large"),
    ("a.jsonl", TWO_ROWS + b'{"text": ' + b"9" * 5000 + b"}", "row 3: the whole number '999"),
    ("a.jsonl", TWO_ROWS + b'{"text": ' + b"[" * 100_000, "row 3: nested deeper than 64 levels"),
    ("a.jsonl", TWO_ROWS + b'{"text": "' + b"x" * 5_000_000 + b'"}', "The line or row that begins at byte 28 is long"),
    ("a.jsonl", TWO_ROWS + b'{"text": "' + b"x" * 2_200_000 + b'"}', "row 3: text has more than 2,097,152 characters"),
    ("a.jsonl", TWO_ROWS.replace(b"\n", b"\r"), "There is a lone carriage return at byte 13"),
    ("a.jsonl", TWO_ROWS + b'{"prompt": "p", "completion": "c"}', "row 3: this row has the shape prompt_completion"),
    ("a.json", b"[" + TWO_ROWS.replace(b"\n", b",", 1), "The file ends in the middle of row 2"),
    ("a.json", b"[" + TWO_ROWS.replace(b"\n", b",") + b"]", "row 3: not valid JSON at character 1: Expecting value"),
    ("a.csv", b'prompt,completion\na,b\n"c,d\ne,f\n', "The row that begins at line 3 opens a quote that is never"),
    ("a.csv", b"prompt,completion\na,b\nc\n", "row 2 (line 3): has 1 cells, yet the header names 2 columns"),
    ("a.csv", b"prompt,completion\ra,b\rc,d\r", "There is a lone carriage return at byte 17"),
    ("a.jsonl.gz", packed(TWO_ROWS)[:-5], "The gzip data ends early"),
    ("a.jsonl.gz", packed(TWO_ROWS) + b"junk", "There is something else after the end of the gzip data"),
    ("a.parquet", b"PAR1" + b"\0" * 100, "The Parquet file is incomplete or damaged"),
    (
        "a.jsonl",
        json.dumps(CHAT).encode() + b'\n{"messages": [{"role": "asistant", "content": "a"}]}',
        "row 2: messages[0].role is 'asistant'; use system, user, assistant or tool",
    ),
]


@pytest.mark.parametrize(("name", "content", "problem"), BAD_ROWS, ids=[problem[:40] for _, _, problem in BAD_ROWS])
def test_bad_content_is_refused_with_its_place(
    import_file: Import, files_left: FilesLeft, name: str, content: bytes, problem: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        import_file(name, content)

    assert refusal.value.status_code == 422
    assert refusal.value.problems[0].startswith(problem)
    assert refusal.value.message.startswith(f"{name} was not imported: 1 problem")
    assert files_left() == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b"PK\x03\x04" + b"\0" * 50),
        ("a.jsonl", b"\x7fELF\x02\x01"),
        ("a.csv", b"%PDF-1.7\n"),
        ("a.jsonl", b"<!DOCTYPE html><html>"),
        ("a.jsonl", packed(TWO_ROWS)),
        ("a.jsonl.gz", packed(packed(TWO_ROWS))),
        ("a.jsonl.gz", TWO_ROWS),
        ("a.parquet", TWO_ROWS),
        ("a.txt", TWO_ROWS),
        ("../../etc/passwd", TWO_ROWS),
    ],
)
def test_other_kinds_of_file_are_refused(import_file: Import, files_left: FilesLeft, name: str, content: bytes) -> None:
    with pytest.raises(UnsupportedFile) as refusal:
        import_file(name, content)

    assert refusal.value.status_code == 415
    assert files_left() == []


@pytest.mark.parametrize(
    ("name", "content", "limits"),
    [
        ("a.jsonl.gz", packed(b"\n" * 60_000_000), ImportLimits()),
        ("a.jsonl", TWO_ROWS * 100, ImportLimits(unpacked_limit_bytes=1000)),
        ("a.jsonl", TWO_ROWS * 100, ImportLimits(rows=100)),
    ],
    ids=["bomb", "bytes", "rows"],
)
def test_files_over_a_limit_are_refused(
    import_file: Import, files_left: FilesLeft, name: str, content: bytes, limits: ImportLimits
) -> None:
    with pytest.raises(TooLarge):
        import_file(name, content, limits=limits)

    assert files_left() == []


def test_the_message_counts_all_problems_and_the_list_holds_a_hundred(import_file: Import) -> None:
    with pytest.raises(InvalidInput) as refusal:
        import_file("a.jsonl", b'{"text": ""}\n' * 1234)

    assert refusal.value.message == "a.jsonl was not imported: 1,234 problems. row 1: text is empty"
    assert len(refusal.value.problems) == 100
