"""A whole checkup in its folder: files of findings, counts, and what the website is told."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.checks import run
from studio.checks.run import check_rows
from studio.chores.child import Progress
from tests.checks.looking import Row, chat, written
from tests.checks.planted import plant


def request_for(folder: Path, rows: list[Row]) -> dict[str, Any]:
    codes = folder / "split.codes"
    codes.write_bytes(bytes(len(rows)))
    return {
        "rows": str(written(folder, rows)),
        "split_codes": str(codes),
        "row_count": len(rows),
        "canonical": "messages",
    }


def check(folder: Path, rows: list[Row]) -> dict[str, dict[str, Any]]:
    result = check_rows(request_for(folder, rows), folder, Progress(folder))
    return {found["name"]: found for found in result["checks"]}


def findings(folder: Path, name: str) -> list[dict[str, Any]]:
    """Each line, read at the offset that the file beside it names."""
    offsets = (folder / "findings" / f"{name}.offsets").read_bytes()
    lines = (folder / "findings" / f"{name}.jsonl").read_bytes()
    starts = [int.from_bytes(offsets[place : place + 8], "little") for place in range(0, len(offsets), 8)]
    return [json.loads(lines[start : lines.index(b"\n", start)]) for start in starts]


def test_findings_are_files_that_are_read_by_their_offsets(tmp_path: Path) -> None:
    rows = [chat("a", "1"), chat("b", "I don't know"), chat("A", "1"), chat("a", "1")]

    found = check(tmp_path, rows)

    assert found["exact_duplicates"]["count"] == 2
    assert findings(tmp_path, "exact_duplicates") == [
        {"row": 3, "detail": "the same as row 1", "other": 1, "group": 1},
        {"row": 4, "detail": "the same as row 1", "other": 1, "group": 1},
    ]
    assert found["refusals"]["first"] == findings(tmp_path, "refusals")
    assert findings(tmp_path, "role_order") == []


def test_no_more_findings_than_anybody_reads_are_kept_but_all_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "FINDINGS_KEPT", 5)

    found = check(tmp_path, [chat("a", "1")] * 20)

    assert found["exact_duplicates"]["count"] == 19
    assert len(findings(tmp_path, "exact_duplicates")) == 5


def test_health_counts_the_checks_that_found_something(tmp_path: Path) -> None:
    rows = [chat("a", "1"), chat("a", "2 ")]

    health = check_rows(request_for(tmp_path, rows), tmp_path, Progress(tmp_path))["health"]

    assert health == {"blocker": 0, "warning": 1, "note": 2}  # contradictions; white space, few rows


def test_the_child_needs_little_address_space_and_its_report_holds_no_row_but_copied_ones(tmp_path: Path) -> None:
    rows = [chat("The lighthouse keeper asks", "a quite particular thing"), *plant(count=500).rows]
    request = request_for(tmp_path, rows) | {"memory_bytes": 800 << 20, "cpu_seconds": 60}
    (tmp_path / "request.json").write_text(json.dumps(request), encoding="utf-8")

    command = [sys.executable, "-m", "studio.checks", str(tmp_path)]
    # It ends as soon as its standard input does, so that stays open.
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        assert child.wait(120) == 0

    text = (tmp_path / "report.json").read_text()
    report = json.loads(text)
    assert "lighthouse" not in text
    assert report["problem"] == ""
    assert {found["name"]: found["count"] for found in report["result"]["checks"]}["near_duplicates"] > 0
