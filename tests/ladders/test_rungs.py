"""The spec of each rung, made of the one that a person wrote."""

from typing import Any

import pytest

from studio.errors import InvalidInput
from studio.ladders import CHOICES, rung_label, specs_of, usual_rungs
from studio.runs import RunSpec

DATA = {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64}


def spec(method: dict[str, Any], **hyperparameters: Any) -> RunSpec:
    """A spec of this method."""
    return RunSpec.model_validate(
        {"data": DATA, "method": method, "hyperparameters": hyperparameters, "budget": {"max_dollars": 5}}
    )


def labels(method: dict[str, Any], keys: tuple[str, ...] = usual_rungs()) -> list[str]:
    """What the rungs are called."""
    return [rung_label(one) for one in specs_of(spec(method), keys)]


def test_the_usual_ladder_has_prompt_tuning_rank_8_and_rank_16() -> None:
    assert labels({"kind": "lora"}) == ["Prompt tuning", "LoRA, rank 8", "LoRA, rank 16"]


def test_every_choice_in_its_order() -> None:
    assert labels({"kind": "lora"}, tuple(choice.key for choice in reversed(CHOICES))) == [
        "Prompt tuning",
        "IA3",
        "LoRA, rank 8",
        "LoRA, rank 16",
        "LoRA, rank 64",
    ]


@pytest.mark.parametrize(
    ("method", "top"),
    [
        ({"kind": "qlora", "rank": 32, "alpha": 64}, "QLoRA, rank 32"),
        ({"kind": "dora", "rank": 24}, "DoRA, rank 24"),
        ({"kind": "full"}, "Full"),
    ],
)
def test_what_was_chosen_is_the_top_when_it_is_larger(method: dict[str, Any], top: str) -> None:
    found = labels(method)

    assert len(found) == 4
    assert found[-1] == top


def test_a_low_rank_method_stays_what_it_is_over_its_base() -> None:
    made = specs_of(spec({"kind": "qlora", "rank": 16, "alpha": 16, "dropout": 0.1}, learning_rate=1e-4), usual_rungs())

    prompt, low, high = made
    assert (prompt.method.base_bits, prompt.hyperparameters.learning_rate) == (4, None)  # type: ignore[union-attr]
    assert low.method.model_dump(include={"kind", "rank", "alpha", "dropout", "base_bits"}) == {
        "kind": "qlora",
        "rank": 8,
        "alpha": 8,
        "dropout": 0.1,
        "base_bits": 4,
    }
    assert (low.hyperparameters.learning_rate, high.method.rank) == (1e-4, 16)  # type: ignore[union-attr]


def test_rungs_differ_in_nothing_but_method_and_rate() -> None:
    base = spec({"kind": "ia3"}, learning_rate=5e-3, epochs=2)

    made = specs_of(base, ("ia3", "rank_8"))

    assert made[0] == base
    assert made[1].hyperparameters == base.hyperparameters.model_copy(update={"learning_rate": None})
    assert (made[1].data, made[1].budget, made[1].evaluation) == (base.data, base.budget, base.evaluation)


@pytest.mark.parametrize(
    ("keys", "field"), [((), "rungs"), (("rank_8",), "rungs"), (("rank_8", "rank_9", "ia3"), "rungs.1")]
)
def test_a_ladder_needs_two_rungs_that_are_on_offer(keys: tuple[str, ...], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        specs_of(spec({"kind": "lora", "rank": 8}), keys)

    assert list(caught.value.fields) == [field]
