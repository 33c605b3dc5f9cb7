"""The first rows of a file whose columns are not known: cut to fit a form, guessed at, and read by a mapping."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from studio.formats.problems import MappingFault, RowProblem
from studio.formats.report import Report
from studio.formats.samples import SAMPLES_BYTES, guess_mapping, map_samples, read_samples, sample_rows

Check = Callable[..., Report]
TURNS = [{"role": "user", "content": "Hi " * 900}, *[{"role": "user", "content": "more"}] * 30]
ANSWERED = [*TURNS, {"role": "assistant", "content": "last"}]


def test_the_report_has_the_first_rows_as_they_stand_together(check: Check) -> None:
    report = check("a.csv", b"left,right,id\na,,1\nb,x,2\nc,y,3\nd,z,4\n")

    assert report.outcome == "needs_mapping"
    assert report.samples == [
        {"left": "a", "right": "", "id": "1"},
        {"left": "b", "right": "x", "id": "2"},
        {"left": "c", "right": "y", "id": "3"},
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [{"q": "é" * 50_000, "a": "\ud800\0<b>"}] * 5,
        [{f"column {n}": "x" * 2000 for n in range(100)}] * 3,
        [{"cell": json.dumps(ANSWERED), "value": ANSWERED}] * 3,
        [{f"a very long column name {n} " * 9: 1.5 for n in range(256)}] * 3,
    ],
)
def test_rows_fit_into_a_form_and_come_back_as_they_were_sent(rows: list[dict[str, Any]]) -> None:
    found = sample_rows(rows)

    sent = json.dumps(found, ensure_ascii=False)
    assert len(sent.encode()) <= SAMPLES_BYTES + 4000  # the spaces that this writer adds
    assert read_samples(sent) == found
    assert all(row.keys() == found[0].keys() for row in found)


def test_what_is_cut_of_a_conversation_leaves_its_answer() -> None:
    found = sample_rows([{"cell": json.dumps(ANSWERED), "value": ANSWERED}])

    for column in ("cell", "value"):
        row = map_samples(found, {"messages": column})[0]
        assert isinstance(row, dict)
        assert row["messages"][-1] == {"role": "assistant", "content": "last"}
        assert len(row["messages"]) < len(ANSWERED)


@pytest.mark.parametrize(
    ("columns", "mapping"),
    [
        (["context", "question", "answer"], {"prompt": "question", "completion": "answer"}),
        (["text", "label"], {"prompt": "text", "completion": "label"}),
        (["id", "User Prompt", "model_response", "system"],
         {"prompt": "User Prompt", "completion": "model_response", "system": "system"}),
        (["query", "passage", "chosen", "rejected"], {"prompt": "query", "chosen": "chosen", "rejected": "rejected"}),
        (["left", "right"], {}),
    ],
)  # fmt: skip
def test_a_first_guess_is_made_of_the_names(columns: list[str], mapping: dict[str, str]) -> None:
    assert guess_mapping(columns, [dict.fromkeys(columns, "x")]) == mapping


def test_a_column_of_messages_is_guessed_by_its_values() -> None:
    assert guess_mapping(["talk", "question"], [{"talk": TURNS[:1], "question": "x"}]) == {"messages": "talk"}


def test_each_row_is_read_or_says_why_not() -> None:
    rows = [{"q": "Hi", "a": "Hello", "n": 1}, {"q": "", "a": "Hello"}]

    assert map_samples(rows, {"prompt": "q", "completion": "a"}) == [
        {"prompt": "Hi", "completion": "Hello"},
        "prompt is empty",
    ]
    assert map_samples(rows, {"text": "later"}) == ["the column 'later' is missing"] * 2
    with pytest.raises(MappingFault):
        map_samples(rows, {"prompt": "q"})


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '[{"a": NaN}]', '[{"a": 1, "a": 2}]', "[{},{},{},{}]", "[" * 99, " " * 40_000]
)
def test_what_no_refusal_has_sent_is_refused(text: str) -> None:
    with pytest.raises(RowProblem):
        read_samples(text)
