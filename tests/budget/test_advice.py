"""Method, starting point and size, from rows, hardware and goal."""

import pytest

from studio.base_models import BaseModelFacts, curated
from studio.budget.advice import advise_method, smaller_model, starting_point
from studio.methods import METHODS

CATALOGUE = curated()
BY_ID = {facts.id: facts for facts in CATALOGUE}
LARGE = BY_ID["Qwen/Qwen3-8B"]
SMALL = BY_ID["Qwen/Qwen3-0.6B"]
FITS = dict.fromkeys(METHODS, "fits")


def test_lora_is_the_usual_choice_and_its_rank_follows_the_rows() -> None:
    ranks = [
        advise_method(SMALL, rows=rows, fits=FITS).settings["method.rank"] for rows in (300, 3_000, 30_000, 300_000)
    ]

    assert ranks == [8, 16, 32, 64]
    assert advise_method(SMALL, rows=3_000, fits=FITS).sentence.startswith("LoRA, rank 16: the usual choice for 3,000")


def test_what_does_not_fit_goes_over_a_4_bit_base() -> None:
    advice = advise_method(LARGE, rows=3_000, fits=FITS | {"lora": "does_not_fit"})

    assert advice.kind == "qlora"
    assert advice.sentence == "QLoRA, rank 16: LoRA does not fit this GPU; over a 4-bit base it fits."


def test_the_smallest_adapters_go_over_4_bits_as_what_they_are() -> None:
    advice = advise_method(LARGE, rows=50, fits=FITS | {"ia3": "does_not_fit"}, current={})

    assert advice.sentence == "IA3 over a 4-bit base: IA3 does not fit this GPU; over a 4-bit base it fits."
    assert (advice.settings["method.kind"], advice.settings["method.base_bits"]) == ("ia3", 4)
    assert advice.fix is not None and advice.fix.fits


def test_a_large_model_on_unknown_hardware_begins_with_4_bits() -> None:
    assert advise_method(LARGE, rows=3_000, fits={}).kind == "qlora"
    assert advise_method(SMALL, rows=3_000, fits={}).kind == "lora"


def test_a_gpu_that_is_too_small_for_every_method_is_said_to_be() -> None:
    advice = advise_method(LARGE, rows=3_000, fits=dict.fromkeys(METHODS, "does_not_fit"), current={})

    assert advice.reasons == ("nothing fits this GPU with these settings; 4-bit weights come nearest.",)
    assert advice.fix is not None and not advice.fix.fits


def test_a_cpu_gains_nothing_by_4_bits() -> None:
    assert advise_method(SMALL, rows=3_000, fits=FITS | {"lora": "tight"}, on_gpu=False).kind == "lora"


@pytest.mark.parametrize(
    ("base", "rows", "goal", "kind"),
    [
        (SMALL, 50, "task", "ia3"),
        (SMALL, 3_000, "many_tasks", "ia3"),
        (LARGE, 3_000, "many_tasks", "prompt_tuning"),
        (SMALL, 300, "quality", "dora"),
        (SMALL, 100_000, "knowledge", "full"),
        (SMALL, 100_000, "task", "lora"),
    ],
)
def test_goal_and_rows_choose_the_method(base: BaseModelFacts, rows: int, goal: str, kind: str) -> None:
    assert advise_method(base, rows=rows, fits=FITS, goal=goal).kind == kind


def test_full_training_is_advised_only_where_it_is_known_to_fit() -> None:
    assert advise_method(SMALL, rows=100_000, fits={}, goal="knowledge").kind == "lora"


def test_the_smallest_model_comes_first_with_its_price() -> None:
    advice = advise_method(LARGE, rows=3_000, fits=FITS, catalogue=CATALOGUE)

    assert advice.smaller == "Try Qwen3 0.6B first: Qwen3 8B costs about 14 times as much."
    assert advice.smaller_fix is not None
    assert advice.smaller_fix.changes == {"base_model.id": SMALL.id, "base_model.revision": None}
    assert advise_method(SMALL, rows=3_000, fits=FITS, catalogue=CATALOGUE).smaller == ""


def test_a_smaller_model_is_open_and_large_enough_for_the_goal() -> None:
    found = smaller_model(BY_ID["meta-llama/Llama-3.1-8B-Instruct"], CATALOGUE, "knowledge")

    assert found is not None and not found.gated and (found.parameters or 0) >= 1.5e9
    assert smaller_model(BaseModelFacts(id="a/b", label="b", family="c"), CATALOGUE, "task") is None


def test_a_base_model_without_chat_tuning_is_told_from_an_instruct_one() -> None:
    base = SMALL.model_copy(update={"chat": False})

    assert "its instruct version already does" in advise_method(base, rows=300, fits={}).base_or_instruct
    assert advise_method(base, rows=3_000, fits={}).base_or_instruct == ""
    assert "plain text" in advise_method(SMALL, rows=300, fits={}, is_plain_text=True).base_or_instruct
    assert advise_method(base, rows=300, fits={}, is_plain_text=True).base_or_instruct == ""


@pytest.mark.parametrize(("rows", "epochs"), [(150, 5.0), (1_000, 3.0), (10_000, 2.0), (100_000, 1.0)])
def test_few_rows_are_read_more_often(rows: int, epochs: float) -> None:
    assert starting_point("lora", rows=rows, parameters=None)["hyperparameters.epochs"] == epochs


def test_the_learning_rate_is_the_methods_own_but_for_toys_and_giants() -> None:
    rates = [
        starting_point("lora", rows=1_000, parameters=parameters)["hyperparameters.learning_rate"]
        for parameters in (4_000_000, 600_000_000, 70_000_000_000)
    ]

    assert rates == [3e-3, None, 1e-4]
    assert starting_point("ia3", rows=1_000, parameters=4_000_000)["hyperparameters.learning_rate"] is None


def test_every_starting_point_is_a_valid_method() -> None:
    for kind, method in METHODS.items():
        settings = starting_point(kind, rows=200_000, parameters=10**9)
        fields = {name.removeprefix("method."): value for name, value in settings.items() if name.startswith("method.")}

        assert method.model_validate(fields).kind == kind


def test_nothing_is_offered_that_is_so_already() -> None:
    advice = advise_method(SMALL, rows=3_000, fits=FITS, current={})
    assert advice.fix is not None

    again = advise_method(SMALL, rows=3_000, fits=FITS, current=advice.fix.changes)

    assert advice.fix.label == "Use LoRA, rank 16"
    assert again.fix is None
