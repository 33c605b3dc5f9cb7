"""What columns mean: known shapes, safe guesses, given mappings, and questions where a guess could be wrong."""

from typing import Any

import pytest

from studio.formats.columns import mapped_plan, plan_for
from studio.formats.limits import ImportLimits
from studio.formats.problems import MappingFault, RowProblem
from studio.formats.strict_json import json_reader

READ_JSON = json_reader(ImportLimits())


INCOMPLETE = (
    "Map prompt and completion, or prompt, chosen and rejected (and system, if there is one), or only text, or only"
    " messages."
)


def ignore(name: str) -> None:
    """Be told of a column that is left out."""


def mapped(mapping: dict[str, str], row: dict[str, Any]) -> dict[str, Any]:
    return mapped_plan(mapping, row.keys(), READ_JSON).canonical(row, ignore)


@pytest.mark.parametrize(
    ("names", "shape"),
    [
        (["messages", "id"], "messages"),
        (["conversations"], "sharegpt"),
        (["Prompt", " COMPLETION "], "prompt_completion"),
        (["Instruction", "Input", "Output"], "alpaca"),
        (["TEXT", "meta"], "text"),
    ],
)
def test_known_columns_make_a_shape_in_any_case(names: list[str], shape: str) -> None:
    plan = plan_for(names, READ_JSON)

    assert plan is not None
    assert (plan.shape, plan.mapping) == (shape, None)


def test_columns_in_other_case_are_read() -> None:
    plan = plan_for(["Prompt", "COMPLETION"], READ_JSON)

    assert plan is not None
    assert plan.canonical({"Prompt": "p", "COMPLETION": "c"}, ignore) == {"prompt": "p", "completion": "c"}


@pytest.mark.parametrize(
    ("names", "mapping"),
    [
        (["Question", "Answer"], {"prompt": "Question", "completion": "Answer"}),
        (["query", "response", "id"], {"prompt": "query", "completion": "response"}),
        (["instruction", "response"], {"prompt": "instruction", "completion": "response"}),
        (["input", "output"], {"prompt": "input", "completion": "output"}),
        (["system", "user", "assistant"], {"prompt": "user", "completion": "assistant", "system": "system"}),
    ],
)
def test_usual_names_are_guessed(names: list[str], mapping: dict[str, str]) -> None:
    plan = plan_for(names, READ_JSON)

    assert plan is not None
    assert (plan.shape, plan.mapping) == ("mapped", mapping)


@pytest.mark.parametrize(
    "names",
    [
        ["foo", "bar"],
        ["question"],
        ["text", "label"],
        ["question", "context", "answer"],
        ["instruction", "input", "response"],
        ["question", "query", "answer"],
        ["question", "answer", "response"],
        ["Prompt", "prompt", "completion"],
    ],
)
def test_what_could_be_wrong_is_not_guessed(names: list[str]) -> None:
    assert plan_for(names, READ_JSON) is None


@pytest.mark.parametrize(
    ("mapping", "row", "expected"),
    [
        ({"prompt": "q", "completion": "r"}, {"q": "a", "r": "b", "x": 1}, {"prompt": "a", "completion": "b"}),
        ({"text": "t"}, {"t": "a"}, {"text": "a"}),
        (
            {"messages": "m"},
            {"m": '[{"role": "assistant", "content": "a"}]'},
            {"messages": [{"role": "assistant", "content": "a"}]},
        ),
        (
            {"prompt": "q", "completion": "r", "system": "s"},
            {"q": "a", "r": "b", "s": "c"},
            {
                "messages": [
                    {"role": "system", "content": "c"},
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": "b"},
                ]
            },
        ),
        (
            {"prompt": "q", "completion": "r", "system": "s"},
            {"q": "a", "r": "b", "s": ""},
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        ),
    ],
)
def test_a_mapping_is_followed(mapping: dict[str, str], row: dict[str, Any], expected: dict[str, Any]) -> None:
    assert mapped(mapping, row) == expected


@pytest.mark.parametrize(
    ("mapping", "fields"),
    [
        ({"prompt": "zz", "completion": "r"}, {"mapping.prompt": "The file has no column 'zz'."}),
        (
            {"prompt": "q", "completion": "q"},
            {"mapping.completion": "The column 'q' is chosen twice; choose another one."},
        ),
        (
            {"foo": "q"},
            {"mapping.foo": "'foo' is not a target; use prompt, completion, system, text, messages, chosen, rejected."},
        ),
        (
            {"prompt": "q"},
            {"mapping": INCOMPLETE},
        ),
        (
            {"text": "q", "messages": "r"},
            {"mapping": INCOMPLETE},
        ),
    ],
)
def test_a_mapping_that_does_not_fit_names_its_fields(mapping: dict[str, str], fields: dict[str, str]) -> None:
    with pytest.raises(MappingFault) as fault:
        mapped_plan(mapping, ["q", "r"], READ_JSON)

    assert fault.value.fields == fields


def test_a_row_without_a_mapped_column_is_refused() -> None:
    plan = mapped_plan({"text": "t"}, ["t"], READ_JSON)

    with pytest.raises(RowProblem, match="the column 't' is missing"):
        plan.canonical({"x": 1}, ignore)


def test_a_row_of_another_shape_is_refused() -> None:
    plan = plan_for(["text"], READ_JSON)

    assert plan is not None
    with pytest.raises(RowProblem, match="this row has the shape prompt_completion, yet the file began as text"):
        plan.canonical({"prompt": "p", "completion": "c"}, ignore)


def test_columns_that_are_left_out_are_told() -> None:
    told: list[str] = []
    plan = plan_for(["text", "id"], READ_JSON)

    assert plan is not None
    plan.canonical({"text": "t", "id": 1}, told.append)

    assert told == ["id"]
