"""Several Parquet files as one table, and conversations within them."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from studio.formats.check import check_file
from studio.formats.kinds import FileKind
from studio.formats.limits import ImportLimits
from studio.formats.report import Report, Request

from .test_parquet import TWO_ROWS, pyarrow, written


def checked(tmp_path: Path, files: dict[str, bytes], **options: Any) -> tuple[Report, list[dict[str, Any]]]:
    path = tmp_path / "rows.parquet.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    limits = options.pop("limits", ImportLimits())
    report = check_file(Request(path, tmp_path, FileKind("parquet.zip", False), None, limits, **options))
    rows = tmp_path / "rows.jsonl"
    return report, [json.loads(line) for line in rows.read_bytes().splitlines()] if report.row_count else []


def test_files_are_read_one_after_another_and_their_good_rows_counted(tmp_path: Path) -> None:
    with_gap = written({"text": ["c", None, "d"]})

    report, rows = checked(
        tmp_path, {"train/0.parquet": TWO_ROWS, "train/1.parquet": with_gap, "test/0.parquet": TWO_ROWS}, leave_out=True
    )

    assert [row["text"] for row in rows] == ["a", "b", "c", "d", "a", "b"]
    assert report.facts["parts"] == {"train": 4, "test": 2}
    assert report.facts["left_out"]["problems"] == ["row 4: text is missing"]


def test_a_part_with_other_columns_or_damage_is_named(tmp_path: Path) -> None:
    other, _ = checked(tmp_path, {"train/0.parquet": TWO_ROWS, "test/0.parquet": written({"label": ["x"]})})
    damaged, _ = checked(tmp_path, {"train/0.parquet": TWO_ROWS, "test/0.parquet": TWO_ROWS[:-1]})

    assert other.problems == ["test/0.parquet has other columns than train/0.parquet."]
    assert damaged.problems[0].startswith("test/0.parquet: The Parquet file is incomplete")


def test_limits_hold_for_all_parts_together(tmp_path: Path) -> None:
    parts = {f"train/{number}.parquet": TWO_ROWS for number in range(3)}

    report, _ = checked(tmp_path, parts, limits=ImportLimits(rows=5))

    assert report.message == "The file has 6 rows; 5 are allowed."


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(TWO_ROWS)

    report = check_file(Request(tmp_path / "x", tmp_path, FileKind("parquet.zip", False), None, ImportLimits()))

    assert report.problems == ["The archive of Parquet files is damaged; fetch it again."]


def test_conversations_and_tools_lose_the_keys_that_only_other_rows_have(tmp_path: Path) -> None:
    def call(arguments: dict[str, Any]) -> list[dict[str, Any]]:
        said = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}
        return [{"role": "user", "content": "q"}, said]

    columns = {
        "messages": [call({"city": "Rome"}), call({"day": 1})],
        "tools": [
            [{"name": "f", "properties": {"city": {"type": "string"}}}],
            [{"name": "f", "properties": {"day": {"type": "integer"}}}],
        ],
    }

    report, rows = checked(tmp_path, {"train/0.parquet": written(columns)})

    assert report.outcome == "accepted", report
    calls = [row["messages"][1]["tool_calls"][0]["function"]["arguments"] for row in rows]
    assert calls == [{"city": "Rome"}, {"day": 1}]
    assert [row["tools"][0]["properties"] for row in rows] == [
        {"city": {"type": "string"}},
        {"day": {"type": "integer"}},
    ]


@pytest.mark.parametrize("kind", [pyarrow.large_list, pyarrow.list_])
def test_sharegpt_turns_come_from_lists_of_either_kind(tmp_path: Path, kind: Any) -> None:
    turn = pyarrow.struct([("from", pyarrow.string()), ("value", pyarrow.string()), ("weight", pyarrow.float64())])
    turns = [{"from": "human", "value": "q", "weight": None}, {"from": "gpt", "value": "a", "weight": None}]

    report, rows = checked(
        tmp_path, {"train/0.parquet": written({"conversations": pyarrow.array([turns] * 2, kind(turn))})}
    )

    assert report.facts["unused"] == []
    assert rows[0] == {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
