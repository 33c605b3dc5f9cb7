"""Each recognised shape becomes canonical; each fault has its sentence."""

from typing import Any

import pytest

from studio.formats.limits import ImportLimits
from studio.formats.problems import RowProblem
from studio.formats.shapes import canonical_row, recognise
from studio.formats.strict_json import json_reader

READ_JSON = json_reader(ImportLimits())
USER, ASSISTANT = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}


def canonical(row: dict[str, Any]) -> dict[str, Any]:
    shape = recognise(row)
    assert shape is not None
    return canonical_row(shape, row, unused=lambda name: None, read_json=READ_JSON)


def turn(speaker: str, value: Any) -> dict[str, Any]:
    return {"from": speaker, "value": value}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"messages": [USER, ASSISTANT]}, {"messages": [USER, ASSISTANT]}),
        ({"messages": '[{"role":"assistant","content":"a"}]'}, {"messages": [ASSISTANT]}),
        ({"messages": [{**ASSISTANT, "name": None, "weight": 1, "id": 7}]}, {"messages": [ASSISTANT]}),
        (
            {"messages": [{**USER, "weight": 0}, {"weight": 0, **ASSISTANT}, ASSISTANT]},
            {"messages": [USER, {**ASSISTANT, "weight": 0}, ASSISTANT]},
        ),
        ({"messages": [USER, ASSISTANT], "tools": [], "id": 3}, {"messages": [USER, ASSISTANT]}),
        ({"messages": [ASSISTANT], "tools": '[{"type":"x"}]'}, {"messages": [ASSISTANT], "tools": [{"type": "x"}]}),
        ({"prompt": "p", "completion": "c", "id": 1}, {"prompt": "p", "completion": "c"}),
        ({"prompt": [USER], "completion": [ASSISTANT]}, {"prompt": [USER], "completion": [ASSISTANT]}),
        ({"text": " t "}, {"text": " t "}),
        ({"instruction": "q", "input": "", "output": "a"}, {"messages": [USER, ASSISTANT]}),
        ({"instruction": "q", "output": "a", "system": None}, {"messages": [USER, ASSISTANT]}),
        (
            {"instruction": "q", "input": "more", "output": "a"},
            {"messages": [{"role": "user", "content": "q\n\nmore"}, ASSISTANT]},
        ),
        (
            {"instruction": "q", "output": "a", "system": "s", "history": [["q", "a"]]},
            {"messages": [{"role": "system", "content": "s"}, USER, ASSISTANT, USER, ASSISTANT]},
        ),
        ({"conversations": [turn("human", "q"), turn("gpt", "a")]}, {"messages": [USER, ASSISTANT]}),
        ({"conversations": [USER, ASSISTANT]}, {"messages": [USER, ASSISTANT]}),
        (
            {"conversations": [turn("Human", "q"), turn("tool", "t"), turn("GPT", "a")], "system": "s"},
            {"messages": [{"role": "system", "content": "s"}, USER, {"role": "tool", "content": "t"}, ASSISTANT]},
        ),
        (
            {
                "conversations": [
                    turn("human", "q"),
                    {**turn("gpt", "a"), "weight": 0},
                    turn("human", "q"),
                    turn("gpt", "a"),
                ]
            },
            {"messages": [USER, {**ASSISTANT, "weight": 0}, USER, ASSISTANT]},
        ),
    ],
)
def test_a_good_row_becomes_canonical(row: dict[str, Any], expected: dict[str, Any]) -> None:
    assert canonical(row) == expected


def test_tool_calls_are_kept_as_they_are() -> None:
    messages = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "42", "tool_call_id": "c1", "name": "look_up"},
        ASSISTANT,
    ]
    row = {"messages": messages, "tools": [{"type": "function", "function": {"name": "look_up"}}]}

    assert canonical(row) == row


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            {"messages": [USER, ASSISTANT, {"role": "asistant", "content": "a"}]},
            "messages[2].role is 'asistant'; use system, user, assistant or tool",
        ),
        ({"messages": [{"content": "a"}]}, "messages[0].role is missing; use system, user, assistant or tool"),
        ({"messages": [{"role": ["a"]}]}, "messages[0].role is a list; use system, user, assistant or tool"),
        ({"messages": [{"role": "user"}]}, "messages[0].content is missing; it must be a string"),
        ({"messages": [{**USER, "content": None}]}, "messages[0].content is null; it must be a string"),
        ({"messages": [{**USER, "content": [{"type": "text"}]}]}, "messages[0].content is a list; it must be a string"),
        ({"messages": [{**USER, "name": 3}]}, "messages[0].name must be a string, not a number"),
        ({"messages": [{**USER, "tool_calls": []}]}, "messages[0].tool_calls must be a list of objects, not a list"),
        ({"messages": [{**USER, "tool_calls": {}}]}, "messages[0].tool_calls must be a list of objects, not an object"),
        ({"messages": [{**ASSISTANT, "weight": 0}]}, "messages has weight 0 on every answer, so there is nothing to"),
        ({"messages": [{**ASSISTANT, "weight": 0.5}]}, "messages[0].weight is 0.5; use 1 to learn from the turn, 0 to"),
        ({"messages": [{**ASSISTANT, "weight": True}]}, "messages[0].weight is True; use 1 to learn from the turn"),
        ({"messages": [{**ASSISTANT, "weight": "0"}]}, "messages[0].weight is '0'; use 1 to learn from the turn"),
        (
            {"messages": [{**ASSISTANT, "tool_calls": [{"function": "f"}]}]},
            "messages[0].tool_calls[0].function is a string; it must be an object with name and arguments",
        ),
        (
            {"messages": [{**ASSISTANT, "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]}]},
            "messages[0].tool_calls[0].function.arguments is a list; it must be JSON text or an object",
        ),
        ({"messages": ["hello"]}, "messages[0] is a string; it must be an object with role and content"),
        ({"messages": "hello"}, "messages is a string; it must be a list of messages"),
        ({"messages": None}, "messages is null; it must be a list of messages"),
        ({"messages": []}, "messages is empty"),
        ({"messages": "[1, 2"}, "not valid JSON at character 6"),
        ({"messages": [USER]}, "messages has no assistant message with content, so there is nothing to learn from"),
        ({"messages": [{**ASSISTANT, "content": " "}]}, "messages has no assistant message with content"),
        ({"messages": [ASSISTANT], "tools": "x"}, "tools is a string; it must be a list of objects"),
        ({"prompt": "", "completion": "c"}, "prompt is empty"),
        ({"prompt": "p", "completion": " \n"}, "completion is empty"),
        ({"prompt": "p", "completion": None}, "completion is missing"),
        ({"prompt": 3, "completion": "c"}, "prompt is a number; it must be a string"),
        ({"prompt": "p", "completion": [ASSISTANT]}, "prompt and completion must both be strings or both be lists"),
        ({"prompt": [USER], "completion": [USER]}, "completion has no assistant message with content"),
        ({"text": {}}, "text is an object; it must be a string"),
        ({"text": ""}, "text is empty"),
        ({"instruction": "", "output": "a"}, "instruction is empty"),
        ({"instruction": "q", "output": "a", "input": 3}, "input is a number; it must be a string"),
        ({"instruction": "q", "output": "a", "history": ["x"]}, "history[0] must be a list of two strings"),
        ({"instruction": "q", "output": "a", "history": 3}, "history is a number; it must be a list"),
        ({"conversations": [turn("narrator", "q")]}, "conversations[0].from is 'narrator'; use human, gpt, system"),
        ({"conversations": [turn("gpt", None)]}, "conversations[0].value is null; it must be a string"),
        ({"conversations": [{"value": "x"}]}, "conversations[0].role is missing"),
        ({"conversations": {}}, "conversations is an object; it must be a list of turns"),
        ({"conversations": [turn("human", "q")]}, "conversations has no assistant message with content"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowProblem) as refusal:
        canonical(row)

    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize("names", [{"text", "label"}, {"text", "summary"}, {"prompt"}, {"foo"}, set()])
def test_half_a_shape_is_not_recognised(names: set[str]) -> None:
    assert recognise(names) is None


def test_keys_that_are_left_out_are_told() -> None:
    told: list[str] = []

    canonical_row("messages", {"messages": [{**ASSISTANT, "mood": "x"}]}, unused=told.append, read_json=READ_JSON)

    assert told == ["messages[].mood"]
