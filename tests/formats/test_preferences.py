"""Rows with two answers, however they are spelled."""

import json
from typing import Any

import pytest

from studio.formats.columns import plan_for
from studio.formats.fields import FieldKeeper
from studio.formats.limits import ImportLimits
from studio.formats.problems import RowProblem
from studio.formats.shapes import canonical_kind, recognise
from studio.formats.strict_json import json_reader

READ_JSON = json_reader(ImportLimits())
SYSTEM, USER = {"role": "system", "content": "s"}, {"role": "user", "content": "q"}
GOOD, BAD = {"role": "assistant", "content": "good"}, {"role": "assistant", "content": "bad"}
TOOLS = [{"type": "function", "function": {"name": "f"}}]
TEXTS = {"prompt": "q", "chosen": "good", "rejected": "bad"}
MESSAGES = {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}


def canonical(row: dict[str, Any]) -> dict[str, Any]:
    plan = plan_for(row, READ_JSON, FieldKeeper())
    assert plan is not None
    return plan.canonical(row, lambda name: None)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (TEXTS, TEXTS),
        ({"Prompt": "q", "CHOSEN": "good", "rejected": "bad"}, TEXTS),
        ({"question": "q", "chosen": "good", "rejected": "bad"}, TEXTS),
        ({**TEXTS, "chosen": '[{"a": 1}]'}, {**TEXTS, "chosen": '[{"a": 1}]'}),
        ({**TEXTS, "chosen": "[{"}, {**TEXTS, "chosen": "[{"}),
        ({**TEXTS, "system": "s"}, {**MESSAGES, "prompt": [SYSTEM, USER]}),
        ({**TEXTS, "system": ""}, MESSAGES),
        ({"question": "q", "chosen": "good", "rejected": "bad", "system": "s"}, {**MESSAGES, "prompt": [SYSTEM, USER]}),
        (MESSAGES, MESSAGES),
        ({**MESSAGES, "system": "s"}, {**MESSAGES, "prompt": [SYSTEM, USER]}),
        ({**MESSAGES, "prompt": [SYSTEM, USER], "system": "x"}, {**MESSAGES, "prompt": [SYSTEM, USER]}),
        ({**MESSAGES, "chosen": "good", "rejected": "bad"}, MESSAGES),
        ({**MESSAGES, "prompt": "q"}, MESSAGES),
        ({"prompt": "q", "chosen": [USER, GOOD], "rejected": [USER, BAD]}, MESSAGES),
        ({"prompt": [USER], "chosen": [USER, GOOD], "rejected": [USER, BAD]}, MESSAGES),
        ({"chosen": [USER, GOOD], "rejected": [USER, BAD]}, MESSAGES),
        ({key: json.dumps(value) for key, value in MESSAGES.items()}, MESSAGES),
        (
            {"chosen": [USER, GOOD, USER, GOOD], "rejected": [USER, GOOD, USER, BAD]},
            {**MESSAGES, "prompt": [USER, GOOD, USER]},
        ),
        ({"chosen": [USER, GOOD], "rejected": [USER, GOOD]}, {**MESSAGES, "rejected": [GOOD]}),
        ({**MESSAGES, "tools": json.dumps(TOOLS)}, {**MESSAGES, "tools": TOOLS}),
        (
            {
                "input": {"messages": [USER], "tools": TOOLS, "parallel_tool_calls": True},
                "preferred_output": [GOOD],
                "non_preferred_output": [BAD],
            },
            {**MESSAGES, "tools": TOOLS},
        ),
        ({"input": {"messages": [USER]}, "preferred_completion": [GOOD], "non_preferred_completion": [BAD]}, MESSAGES),
        (
            {
                "input": json.dumps({"messages": [USER]}),
                "preferred_output": json.dumps([GOOD]),
                "non_preferred_output": json.dumps([BAD]),
            },
            MESSAGES,
        ),
    ],
)
def test_both_answers_are_kept(row: dict[str, Any], expected: dict[str, Any]) -> None:
    assert canonical(row) == expected


@pytest.mark.parametrize("row", [TEXTS, MESSAGES, {**MESSAGES, "tools": TOOLS}])
def test_a_canonical_row_stays_as_it_is(row: dict[str, Any]) -> None:
    assert canonical(row) == row
    assert canonical_kind(row).split()[0] == "preference"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"chosen": "good", "rejected": "bad"}, "prompt is missing; where chosen and rejected are texts"),
        ({**TEXTS, "chosen": ""}, "chosen is empty"),
        ({**TEXTS, "rejected": None}, "rejected is missing"),
        ({**TEXTS, "rejected": [BAD]}, "chosen and rejected must both be strings or both be lists of messages"),
        ({**MESSAGES, "chosen": []}, "chosen is empty"),
        ({**MESSAGES, "chosen": [USER]}, "chosen has no assistant message with content"),
        ({**MESSAGES, "rejected": [{"role": "x"}]}, "rejected[0].role is 'x'; use system, user, assistant or tool"),
        ({**MESSAGES, "prompt": []}, "prompt is empty"),
        ({"chosen": [GOOD], "rejected": [BAD]}, "prompt is missing, and chosen and rejected do not begin"),
        ({"input": "q", "preferred_output": [GOOD], "non_preferred_output": [BAD]}, "input is a string; it must be"),
        (
            {"input": {}, "preferred_output": [GOOD], "non_preferred_output": [BAD]},
            "input.messages is null; it must be",
        ),
        (
            {"input": {"messages": [USER]}, "preferred_output": [GOOD], "non_preferred_output": None},
            "non_preferred_output is",
        ),
    ],
)
def test_a_row_that_cannot_be_compared_is_refused(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowProblem) as refusal:
        canonical(row)

    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize(
    ("names", "shape"),
    [
        (["prompt", "chosen", "rejected", "messages"], "messages"),
        (["prompt", "completion", "chosen", "rejected"], "prompt_completion"),
        (["prompt", "chosen", "rejected", "text"], "preference"),
        (["question", "chosen", "rejected"], None),
        (["prompt", "chosen"], None),
        (["preferred_output", "non_preferred_output"], None),
    ],
)
def test_preference_rows_are_told_from_others(names: list[str], shape: str | None) -> None:
    assert recognise(names) == shape
