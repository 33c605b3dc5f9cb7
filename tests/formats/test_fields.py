"""What stands beside the shape: kept where it is short, named where it is left out, and no part of a duplicate."""

import json
from collections.abc import Callable
from typing import Any

from studio.formats.fields import FieldKeeper
from studio.formats.report import Report

Check = Callable[..., Report]
Rows = Callable[..., list[str]]


def lines(*rows: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def test_short_values_are_kept_at_the_end_of_the_row(rows: Rows) -> None:
    first = {"id": 7, "text": "a", "score": 0.5, "good": True, "label": "x", "gone": None, "empty": ""}

    assert rows("a.jsonl", lines(first, {"text": "b", "id": "8"})) == [
        '{"text":"a","fields":{"id":7,"score":0.5,"good":true,"label":"x"}}',
        '{"text":"b","fields":{"id":"8"}}',
    ]


def test_cells_beside_the_shape_are_kept_as_text(rows: Rows) -> None:
    assert rows("a.csv", b"prompt,completion,year\np,c,2020\nq,d,\n") == [
        '{"prompt":"p","completion":"c","fields":{"year":"2020"}}',
        '{"prompt":"q","completion":"d"}',
    ]


def test_a_mapped_file_keeps_its_other_columns(rows: Rows) -> None:
    content = b"Frage,Antwort,Nr\nq,a,1\nr,b,2\n"

    assert rows("a.csv", content, mapping={"prompt": "Frage", "completion": "Antwort"})[0] == (
        '{"prompt":"q","completion":"a","fields":{"Nr":"1"}}'
    )


def test_what_is_kept_and_what_is_not_is_told(check: Check) -> None:
    first = {"text": "a", "topic": "x", "long": "x" * 201, "list": [1], "parallel_tool_calls": True, "a\nb": 1}

    facts = check("a.jsonl", lines(first, {"text": "b", "topic": "y" * 201, "long": "short"})).facts

    assert facts["fields"] == ["topic"]
    assert facts["unused"] == ["a\nb", "list", "long", "parallel_tool_calls", "topic (where it is long)"]
    assert facts["notes"][0] == "kept beside the rows: topic"


def test_no_more_than_sixteen_names_are_kept(check: Check) -> None:
    row = {"text": "a"} | {f"c{number:02}": number for number in range(20)}

    facts = check("a.jsonl", lines(row, row)).facts

    assert facts["fields"] == [f"c{number:02}" for number in range(16)]
    assert facts["unused"] == ["c16", "c17", "c18", "c19"]


def test_duplicates_are_found_whatever_their_fields(check: Check) -> None:
    content = lines({"text": "a", "id": 1}, {"text": "a", "id": 2.5}, {"text": "a"}, {"text": "b", "id": 1})

    assert check("a.jsonl", content).facts["duplicate_rows"] == 2


def test_rows_that_were_exported_are_imported_as_they_were(rows: Rows) -> None:
    once = rows("a.jsonl", lines({"text": "a", "id": 1, "ok": False}, {"text": "b", "id": 2}))

    assert rows("b.jsonl", "\n".join(once).encode()) == once


def test_a_number_that_json_cannot_hold_is_not_kept() -> None:
    told: list[str] = []

    assert FieldKeeper().kept({"a": float("nan"), "b": 2**63, "c": 1}, (), told.append) == {"c": 1}
    assert told == ["a", "b"]


def test_a_system_column_becomes_a_turn(rows: Rows) -> None:
    made = rows("a.jsonl", lines({"prompt": "p", "completion": "c"}, {"prompt": "q", "completion": "d", "system": "s"}))

    assert [json.loads(line)["messages"][0] for line in made] == [
        {"role": "user", "content": "p"},
        {"role": "system", "content": "s"},
    ]


def test_a_system_prompt_that_comes_late_is_refused(check: Check) -> None:
    pair = {"prompt": "p", "completion": "c"}

    report = check("a.jsonl", lines(*[pair] * 25, {**pair, "system": "s"}))

    assert report.problems == [
        "row 26: this row has a system prompt, yet the first rows have none; give every row a system key"
    ]
