"""Plain counts over the rows of a file."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from studio.formats.facts import FactCounter, row_characters


def counted(rows: list[dict[str, Any]], unused: list[str] | None = None) -> dict[str, Any]:
    counter = FactCounter()
    for row in rows:
        spoken: list[str] = []
        characters = row_characters(row, spoken)
        counter.add_all([json.dumps(row).encode()], characters, spoken)
    for name in unused or []:
        counter.leave_out(name)
    return counter.facts("text")


def test_characters_turns_and_duplicates_are_counted() -> None:
    chat = {"messages": [{"role": "user", "content": "abc"}, {"role": "assistant", "content": None}]}
    rows: list[dict[str, Any]] = [{"text": "ab"}, chat, {"prompt": "abcd", "completion": "ef"}, chat, chat]

    facts = counted(rows, ["id"])

    # 2 + 3 + 6 + 3 + 3 characters in 5 rows
    assert facts == {
        "rows_by_shape": {"text": 5},
        "duplicate_rows": 2,
        "longest_row_characters": 6,
        "longest_row": 3,
        "mean_row_characters": 3.4,
        "turns": {"assistant": 3, "user": 3},
        "unused": ["id"],
        "notes": ["2 exact duplicates (40 %)", "not used: id"],
    }


def test_few_duplicates_are_not_rounded_away() -> None:
    rows = [{"text": str(number)} for number in range(200)] + [{"text": "0"}]

    assert counted(rows)["notes"] == ["1 exact duplicate (under 1 %)"]


def test_many_unused_columns_are_cut_short() -> None:
    notes = counted([{"text": "a"}], [f"c{number:03}" for number in range(300)])["notes"]

    assert notes == ["not used: c000, c001, c002, c003, c004, c005, c006, c007 and 56 more"]


def test_tools_are_neither_turns_nor_characters() -> None:
    facts = counted([{"messages": [{"role": "assistant", "content": "a"}], "tools": [{"type": "function"}]}])

    assert (facts["turns"], facts["longest_row_characters"]) == ({"assistant": 1}, 1)


@given(st.lists(st.integers(0, 20), min_size=1))
def test_duplicates_are_the_rows_less_the_distinct_ones(values: list[int]) -> None:
    assert counted([{"text": str(value)} for value in values])["duplicate_rows"] == len(values) - len(set(values))
