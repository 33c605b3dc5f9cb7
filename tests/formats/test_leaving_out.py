"""Rows with problems can be left out, as long as enough others stay."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.formats.check import check_file
from studio.formats.kinds import file_kind
from studio.formats.limits import ImportLimits
from studio.formats.report import Report, Request

GOOD, BAD = b'{"text": "a%d"}\n', b'{"text": ""}\n'


@pytest.fixture
def left(tmp_path: Path) -> Callable[[bytes], tuple[Report, list[str]]]:
    """Check a file without its bad rows; the answer and the rows that stay."""

    def run(content: bytes) -> tuple[Report, list[str]]:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        (folder / "upload").write_bytes(content)
        limits = ImportLimits(problems_counted=150)
        report = check_file(Request(folder / "upload", folder, file_kind("a.jsonl"), None, limits, leave_out=True))
        return report, [json.loads(line)["text"] for line in (folder / "rows.jsonl").read_text().splitlines()]

    return run


Left = Callable[[bytes], tuple[Report, list[str]]]


def test_the_other_rows_stay_and_those_left_out_are_told(left: Left) -> None:
    report, texts = left(GOOD % 1 + BAD + b"nonsense\n" + GOOD % 22 + b'{"text": 3}\n' + GOOD % 3)

    assert (report.outcome, report.row_count, texts) == ("accepted", 3, ["a1", "a22", "a3"])
    assert report.facts["left_out"] == {
        "count": 3,
        "problems": [
            "row 2: text is empty",
            "row 3: not valid JSON at character 1: Expecting value",
            "row 5: text is a number; it must be a string",
        ],
    }
    assert report.facts["longest_row"] == 2
    assert report.facts["notes"][0] == "3 rows with problems left out"


def test_very_many_rows_can_be_left_out(left: Left) -> None:
    report, texts = left((GOOD % 1 + BAD + GOOD % 2) * 400)

    assert (report.outcome, len(texts), report.facts["left_out"]["count"]) == ("accepted", 800, 400)
    assert len(report.facts["left_out"]["problems"]) == 100


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (GOOD % 1 + GOOD % 2 + BAD * 3, "Only 2 of 5 rows are fine; half of them and 2 at least must be."),
        (GOOD % 1 + BAD, "Only 1 of 2 rows are fine; half of them and 2 at least must be."),
        (BAD * 2, "Only 0 of 2 rows are fine; half of them and 2 at least must be."),
        (GOOD % 1, "The file has 1 row; a dataset needs 2 at least, one to train on and one to validate with."),
        (
            GOOD % 1 * 9 + b'{"text": "\xff"}',
            "The file is not UTF-8 at byte 145. Save it as UTF-8 and upload it again.",
        ),
    ],
)
def test_too_few_good_rows_and_a_broken_file_are_refused(left: Left, content: bytes, sentence: str) -> None:
    report, _ = left(content)

    assert (report.outcome, report.problems[0]) == ("invalid", sentence)


@pytest.mark.parametrize(
    ("content", "good"),
    [
        (GOOD % 1 * 8 + BAD, 8),
        (GOOD % 1 * 8 + BAD * 9, 0),
        (GOOD % 1 * 8 + BAD + b"\xff", 0),
        (GOOD % 1 + BAD, 0),
    ],
)
def test_a_strict_refusal_says_how_many_rows_are_fine(check: Callable[..., Report], content: bytes, good: int) -> None:
    report = check("a.jsonl", content)

    assert (report.outcome, report.good_rows) == ("invalid", good)
