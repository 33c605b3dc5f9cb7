"""A recipe is 1 to 50 known steps, each with a sentence, and its key tells two of them apart."""

from typing import Any

import pytest

from studio.datasets.recipe import read_recipe, recipe_key, sentences, write_recipe
from studio.errors import InvalidInput

EVERY_STEP: list[tuple[dict[str, Any], str]] = [
    ({"do": "drop", "check": "empty_turns"}, "Empty turns: drop the rows"),
    ({"do": "keep_first", "check": "exact_duplicates"}, "Exact duplicates: keep the first row of each group"),
    ({"do": "keep_majority"}, "Contradictions: keep the answer that most rows give"),
    ({"do": "redact", "check": "secrets"}, "Secrets: redact what was found"),
    ({"do": "trim", "check": "stray_spaces"}, "White space around answers: trim the texts"),
    (
        {"do": "cap_length", "characters": 2000},
        "Cap the last answers at 2,000 characters, at the end of a sentence",
    ),
    ({"do": "rebalance", "most": 50}, "Keep at most 50 rows of each answer to train on (seed 17)"),
    ({"do": "drop_rows", "rows": [3]}, "Drop row 3"),
    ({"do": "drop_rows", "rows": [1, 2, 3, 4, 5, 6, 1007]}, "Drop rows 1, 2, 3, 4, 5 and 2 more"),
    ({"do": "edit", "number": 1200, "row": {"text": "x"}}, "Edit row 1,200"),
    ({"do": "use_chosen"}, "Keep the prompt and the chosen answer of each row"),
    ({"do": "choose_parent", "version": 1}, "Use version 1 again"),
]


@pytest.mark.parametrize(("step", "sentence"), EVERY_STEP)
def test_every_step_has_a_sentence(step: dict[str, Any], sentence: str) -> None:
    assert sentences([step]) == [sentence]


def test_what_is_read_is_written_and_read_again() -> None:
    recipe = read_recipe([step for step, _ in EVERY_STEP])

    assert read_recipe(write_recipe(recipe)) == recipe


@pytest.mark.parametrize(
    "plain",
    [
        [],
        [{"do": "drop", "check": "empty_turns"}] * 51,
        [{"do": "explode"}],
        [{"do": "drop"}],
        [{"do": "drop", "check": "../secrets"}],
        [{"do": "drop", "check": "x", "more": 1}],
        [{"do": "cap_length", "characters": 0}],
        [{"do": "rebalance", "most": 0}],
        [{"do": "drop_rows", "rows": []}],
        [{"do": "drop_rows", "rows": [0]}],
        {"do": "drop", "check": "x"},
        "drop",
        None,
    ],
)
def test_what_is_no_recipe_is_refused_by_field(plain: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_recipe(plain)

    assert all(name.startswith("recipe") for name in caught.value.fields)
    assert caught.value.fields


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_recipe([{"do": "edit", "number": 0, "row": {"text": "a secret"}}])

    assert "secret" not in str(caught.value.fields)


def test_the_key_changes_with_parent_findings_steps_order_and_purpose() -> None:
    one, two = {"do": "drop", "check": "a"}, {"do": "drop", "check": "b"}
    keys = {
        recipe_key("dsv_1", "c1", read_recipe([one, two]), publish=False),
        recipe_key("dsv_2", "c1", read_recipe([one, two]), publish=False),
        recipe_key("dsv_1", "c2", read_recipe([one, two]), publish=False),
        recipe_key("dsv_1", "c1", read_recipe([two, one]), publish=False),
        recipe_key("dsv_1", "c1", read_recipe([one, two]), publish=True),
    }

    assert len(keys) == 5
    assert recipe_key("dsv_1", "c1", read_recipe([one, two]), publish=False) in keys
