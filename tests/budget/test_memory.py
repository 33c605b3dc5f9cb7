"""Memory before launch: beside published measurements, and what fits where."""

import time
from typing import Any

import pytest

from benchmarks.memory import cells
from studio.base_models import config_of, curated
from studio.budget.hardware import HARDWARE, Hardware, find_hardware
from studio.budget.memory import (
    Memory,
    fit_of,
    largest_batch,
    largest_length,
    memory_of,
    models_that_fit,
    usable_bytes,
)
from studio.budget.shapes import ModelShape, shape_of
from studio.methods import METHODS
from studio.runs.spec import RunSpec, validate_spec

GIB = 1 << 30
LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
SHAPES = {facts.id: shape_of(config_of(facts.id, None) or {}) for facts in curated()}
LLAMA_405B = shape_of(
    {
        "model_type": "llama",
        "hidden_size": 16384,
        "num_hidden_layers": 126,
        "num_attention_heads": 128,
        "num_key_value_heads": 8,
        "intermediate_size": 53248,
        "vocab_size": 128256,
        "max_position_embeddings": 131072,
    }
)


def spec_of(method: dict[str, Any], **hyperparameters: Any) -> RunSpec:
    """A spec with these settings, and one row per pass unless they say otherwise."""
    data = {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64}
    return validate_spec({"data": data, "method": method, "hyperparameters": {"batch_size": 1} | hyperparameters})


def needs(method: dict[str, Any], shape: ModelShape = SHAPES[LLAMA_8B], tokens: int = 1024, **chosen: Any) -> Memory:
    """The memory of a run on an H100."""
    return memory_of(spec_of(method, **chosen), shape, HARDWARE["h100-sxm"], tokens)


def test_published_measurements_are_met() -> None:
    found = list(cells())

    errors = {cell.name: cell.error for cell in found}
    assert len(found) >= 8
    assert sum(map(abs, errors.values())) / len(errors) <= 0.10, errors
    assert min(errors.values()) >= -0.10, errors


def test_weights_are_held_as_the_method_says() -> None:
    plain, eight, four = (needs({"kind": "lora", "base_bits": bits}).weights / GIB for bits in (16, 8, 4))
    whole = needs({"kind": "full"})

    # 6.98 of 8.03 billion weights are quantized; the embedding and the head are not.
    assert plain == pytest.approx(14.96, abs=0.01)
    assert eight == pytest.approx(8.46, abs=0.02)
    assert four == pytest.approx(5.31, abs=0.02)
    # Float32 masters with two moments and a gradient each.
    assert (whole.weights, whole.gradients, whole.optimizer) == (4 * 8030261248, 4 * 8030261248, 8 * 8030261248)


def test_what_saves_memory_saves_it() -> None:
    plain = needs({"kind": "lora"}, batch_size=4)

    assert needs({"kind": "lora"}, batch_size=4, gradient_checkpointing=True).total < 0.5 * plain.total
    assert needs({"kind": "lora"}, batch_size=4, tokens=512).total < plain.total
    assert needs({"kind": "full"}, optimizer="adamw_8bit").optimizer < needs({"kind": "full"}).optimizer / 3
    assert needs({"kind": "dora"}).total > needs({"kind": "lora"}).total
    one_pass = needs({"kind": "full"}, gradient_accumulation_steps=1)
    assert one_pass.total <= needs({"kind": "full"}, gradient_accumulation_steps=4).total


def test_virtual_tokens_lengthen_every_row() -> None:
    few = needs({"kind": "prompt_tuning", "virtual_tokens": 20})
    many = needs({"kind": "prompt_tuning", "virtual_tokens": 276})

    # 256 tokens more than 1,044: about a quarter more to keep.
    assert many.activations / few.activations == pytest.approx(1300 / 1044, abs=0.01)


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("hardware_id", HARDWARE)
def test_parts_add_up_for_every_method_and_hardware(kind: str, hardware_id: str) -> None:
    memory = memory_of(spec_of({"kind": kind}), SHAPES["Qwen/Qwen3-0.6B"], HARDWARE[hardware_id], 512)

    assert all(size >= 0 for size in memory.parts.values())
    assert memory.total == sum(memory.parts.values()) > memory.weights > 0


def test_what_fits_is_told_with_room_to_spare() -> None:
    card = HARDWARE["l4"]

    def fit(share: float) -> str:
        return fit_of(Memory(int(share * usable_bytes(card)), 0, 0, 0, 0, 0, 0, 0), card)

    assert [fit(share) for share in (0.5, 0.89, 0.91, 0.99, 1.01)] == ["fits", "fits", "tight", "tight", "does_not_fit"]


def test_the_largest_batch_and_length_fit_and_one_more_is_tight() -> None:
    shape, card = SHAPES[LLAMA_8B], HARDWARE["l4"]
    spec = spec_of({"kind": "qlora"}, gradient_checkpointing=True)

    rows = largest_batch(spec, shape, card, 1024)
    tokens = largest_length(spec, shape, card)

    assert rows >= 2 and 1024 < tokens < 131_072
    for batch, fits in ((rows, True), (rows + 1, False)):
        memory = memory_of(spec_of({"kind": "qlora"}, gradient_checkpointing=True, batch_size=batch), shape, card, 1024)
        assert (fit_of(memory, card) == "fits") is fits
    for length, fits in ((tokens, True), (tokens + 1, False)):
        assert (fit_of(memory_of(spec, shape, card, length), card) == "fits") is fits


def test_405_billion_weights_do_not_fit_a_t4_with_any_batch_or_length() -> None:
    card = HARDWARE["t4"]
    for kind in METHODS:
        spec = spec_of({"kind": kind})

        assert fit_of(memory_of(spec, LLAMA_405B, card, 16), card) == "does_not_fit"
        assert (largest_batch(spec, LLAMA_405B, card, 16), largest_length(spec, LLAMA_405B, card)) == (0, 0)


def test_models_that_fit_come_largest_first() -> None:
    found = models_that_fit(spec_of({"kind": "qlora"}), SHAPES, HARDWARE["t4"], 1024)
    whole = models_that_fit(spec_of({"kind": "full"}), SHAPES, HARDWARE["t4"], 1024)

    sizes = [SHAPES[base_model_id].parameters for base_model_id in found]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 3e9
    assert whole and SHAPES[whole[0]].parameters < 1e9


def test_a_model_without_the_targets_is_not_offered() -> None:
    found = models_that_fit(spec_of({"kind": "lora", "targets": "qkv_proj"}), SHAPES, HARDWARE["b200"], 512)

    assert found and {SHAPES[base_model_id].model_type for base_model_id in found} == {"phi3"}


def test_a_cpu_holds_the_training_stack_too() -> None:
    cpu = find_hardware("CPU", 8 * GIB, 2)
    assert isinstance(cpu, Hardware)

    memory = memory_of(spec_of({"kind": "lora"}), shape_of(config_of("demo", None) or {}), cpu, 256)

    assert memory.weights == 4 * 5_491_520
    assert 0.5 * GIB < memory.total < 1.2 * GIB and fit_of(memory, cpu) == "fits"


def test_a_page_can_ask_for_every_method_and_hardware() -> None:
    specs = [spec_of({"kind": kind}) for kind in METHODS]
    shape = SHAPES[LLAMA_8B]
    began = time.process_time()

    for spec in specs:
        for hardware in HARDWARE.values():
            memory_of(spec, shape, hardware, 1024)

    # 78 of them at 0.05 ms; the limit leaves room for a busy machine.
    assert time.process_time() - began < 0.1
