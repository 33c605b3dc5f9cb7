"""How estimates of time and money follow the settings of a run."""

from typing import Any

import pytest

from studio import base_models
from studio.budget.calibration import Correction
from studio.budget.estimate import Estimate
from studio.budget.estimating import corrected_memory, estimate_of, range_of
from studio.budget.hardware import HARDWARE, Hardware, find_hardware
from studio.budget.lengths import Lengths, counted_lengths
from studio.budget.memory import memory_of
from studio.budget.shapes import ModelShape, shape_of
from studio.budget.time import Load, parts_of, step_seconds
from studio.methods import METHODS
from studio.runs import RunSpec, make_plan, validate_spec

ROWS = 1000
LENGTHS = counted_lengths([(1, 99, 0), (100, 100, 600), (101, 199, 0), (200, 200, 300), (400, 400, 100)], 0.5)


def spec_of(**parts: Any) -> RunSpec:
    """A spec of 1,000 rows."""
    data = {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64, "max_length_tokens": 512}
    return validate_spec({"data": data | parts.pop("data", {}), "method": {"kind": "lora"}, **parts})


def shape(base_model_id: str = "Qwen/Qwen3-0.6B") -> ModelShape:
    """The shape of a model of the catalogue."""
    config = base_models.config_of(base_model_id, None)
    assert config is not None
    return shape_of(config)


def estimated(hardware: Hardware | None = HARDWARE["l4"], lengths: Lengths = LENGTHS, **parts: Any) -> Estimate:
    """An estimate at two dollars an hour."""
    spec = spec_of(**parts)
    return estimate_of(spec, make_plan(spec, ROWS), shape(), hardware, lengths, dollars_per_hour=2.0)


def test_twice_the_epochs_take_twice_the_steps_tokens_and_training() -> None:
    one, two = (estimated(hyperparameters={"epochs": epochs}) for epochs in (2, 4))

    assert two.steps == 2 * one.steps and two.tokens == 2 * one.tokens
    assert two.parts["step"] == pytest.approx(2 * one.parts["step"])
    assert two.parts["start"] == one.parts["start"]
    assert one.seconds is not None and two.seconds is not None
    assert one.seconds.likely < two.seconds.likely < 2 * one.seconds.likely


def test_money_is_hours_times_the_price_and_its_range_is_that_of_the_time() -> None:
    found = estimated()

    assert found.seconds is not None and found.dollars is not None
    assert found.dollars.low == pytest.approx(found.seconds.low / 3600 * 2.0)
    assert found.dollars.high == pytest.approx(found.seconds.high / 3600 * 2.0)


def test_without_hardware_there_is_neither_time_nor_money_but_steps_and_tokens() -> None:
    found = estimated(hardware=None)

    assert found.seconds is None and found.dollars is None and found.memory_bytes is None
    assert found.steps > 0 and found.tokens > 0 and found.trained_parameters > 0


def test_accumulated_passes_take_as_long_as_so_many_batches() -> None:
    load = Load(padded=200, mean=150, answers=0.5, answer_tokens=50)
    hardware = find_hardware("cpu", None, 2)
    assert hardware is not None

    one, four = (
        step_seconds(
            spec_of(hyperparameters={"gradient_accumulation_steps": n, "batch_size": 2}), shape(), hardware, load
        )
        for n in (1, 4)
    )

    assert 3.5 * one < four < 4 * one


def test_longer_rows_checkpointing_and_dora_take_longer_and_ia3_less() -> None:
    usual = estimated().parts["step"]

    shorter = estimated(data={"max_length_tokens": 100}).parts["step"]
    checkpointed = estimated(hyperparameters={"gradient_checkpointing": True}).parts["step"]
    load = Load(padded=500, mean=400, answers=0.5, answer_tokens=50)
    by_method = {
        kind: step_seconds(spec_of(method={"kind": kind}), shape("Qwen/Qwen3-8B"), HARDWARE["h100-sxm"], load)
        for kind in METHODS
    }

    assert shorter < usual < checkpointed
    assert by_method["ia3"] < by_method["lora"] < by_method["qlora"] < by_method["dora"]
    assert by_method["lora"] < by_method["full"]


def test_every_method_has_a_time_on_every_hardware() -> None:
    for kind in METHODS:
        for hardware in HARDWARE.values():
            spec = spec_of(method={"kind": kind})
            parts = parts_of(spec, make_plan(spec, ROWS), shape(), hardware, Load(200, 150, 0.5, 50))
            assert all(part.seconds >= 0 for part in parts.values()) and parts["step"].seconds > 0, (kind, hardware.id)


def test_more_evaluations_and_longer_answers_cost_time() -> None:
    few = estimated(evaluation={"every_steps": 100})
    many = estimated(evaluation={"every_steps": 10})
    silent = estimated(evaluation={"every_steps": 10, "sample_prompts": 0})

    assert few.parts["validation"] < many.parts["validation"]
    assert silent.parts["answers"] == 0 < many.parts["answers"]


@pytest.mark.parametrize("factor", [0.9, 1.2])
def test_memory_that_runs_have_needed_changes_the_total_and_no_part_is_negative(factor: float) -> None:
    spec = spec_of()
    memory = memory_of(spec, shape(), HARDWARE["l4"], 400)

    found = corrected_memory(memory, Correction(memory_factor=factor))

    assert found.total == pytest.approx(factor * memory.total, abs=8)
    assert min(found.parts.values()) >= 0


def test_a_guess_of_lengths_widens_the_range() -> None:
    guessed = Lengths(LENGTHS.bars, LENGTHS.answers, 0.35, "a guess")

    sure, unsure = estimated().seconds, estimated(lengths=guessed).seconds

    assert sure is not None and unsure is not None
    assert unsure.high / unsure.low > sure.high / sure.low


_LLAMA_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128_256,
    "tie_word_embeddings": False,
}
_LLAMA_2_7B = _LLAMA_8B | {"num_key_value_heads": 32, "intermediate_size": 11_008, "vocab_size": 32_000}
_QWEN_7B = {
    "model_type": "qwen2",
    "hidden_size": 3584,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18_944,
    "vocab_size": 152_064,
    "tie_word_embeddings": False,
}


@pytest.mark.parametrize(
    ("config", "hardware_id", "method", "batch", "tokens", "chosen", "published"),
    [
        # NeMo AutoModel, Hugging Face models without checkpointing.
        (_LLAMA_8B, "h100-sxm", {"kind": "lora"}, 2, 4096, {}, 12_473),
        (_QWEN_7B, "h100-sxm", {"kind": "lora"}, 2, 4096, {}, 14_110),
        # torchtune, compiled.
        (_LLAMA_8B, "rtx-4090", {"kind": "lora"}, 2, 2048, {"gradient_checkpointing": True}, 3_083),
        (_LLAMA_8B, "rtx-4090", {"kind": "qlora"}, 2, 2048, {"gradient_checkpointing": True}, 2_413),
        (
            _LLAMA_8B,
            "rtx-4090",
            {"kind": "full"},
            2,
            2048,
            {"gradient_checkpointing": True, "precision": "bfloat16", "optimizer": "paged_adamw_8bit"},
            1_650,
        ),
        # LLaMA-Factory: plain, with FlashAttention, and over 4 bits.
        (_LLAMA_2_7B, "a100-40", {"kind": "lora", "rank": 8}, 4, 1024, {"gradient_checkpointing": True}, 2_392),
        (_LLAMA_2_7B, "a100-40", {"kind": "lora", "rank": 8}, 4, 1024, {"gradient_checkpointing": True}, 2_954),
        (_LLAMA_2_7B, "a100-40", {"kind": "qlora", "rank": 8}, 4, 1024, {"gradient_checkpointing": True}, 2_415),
    ],
)
def test_published_tokens_a_second_lie_within_the_range_of_an_estimate_without_runs(
    config: dict[str, Any],
    hardware_id: str,
    method: dict[str, Any],
    batch: int,
    tokens: int,
    chosen: dict[str, Any],
    published: int,
) -> None:
    spec = spec_of(method=method, hyperparameters={"batch_size": batch, "gradient_accumulation_steps": 4, **chosen})
    found = range_of(1.0, Correction(spread=0.45).spread)

    taken = step_seconds(spec, shape_of(config), HARDWARE[hardware_id], Load(tokens, tokens, 1.0, 50))

    assert found.low < (4 * batch * tokens / taken) / published < found.high
