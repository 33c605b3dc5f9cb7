"""How a base model is loaded and what of it trains."""

from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from transformers import Gemma2Config, Gemma2ForCausalLM

from worker.hardware import Hardware
from worker.losses import IGNORED, plain_losses
from worker.model import load_model, trained
from worker.trainer import usable_optimizer

from .conftest import make_spec, save_tokenizer

# peft 0.21 uses a name that transformers 5.23 has renamed; a run keeps it out of its log in the same way.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")
CPU = Hardware(device="cpu", device_name="a CPU", compute=torch.float32, threads=1)


def load(base_folder: Path, **parts: Any) -> Any:
    return load_model(base_folder, make_spec(**parts), CPU)


def test_a_4_bit_base_keeps_float32_adapters_and_a_layout_that_trains(base_folder: Path) -> None:
    loaded = load(base_folder, method={"kind": "qlora"})

    layers = [module for module in loaded.model.modules() if isinstance(module, Linear4bit)]
    assert layers
    assert {layer.compute_dtype for layer in layers} == {torch.float32}
    assert {weight.dtype for weight in trained(loaded.model).values()} == {torch.float32}
    ids = torch.tensor([loaded.tokenizer("My order is late.").input_ids])
    with torch.no_grad():
        loaded.model.eval()(input_ids=ids)
    assert not any(getattr(layer.weight.quant_state, "packing_format_for_cpu", False) for layer in layers)


def test_a_base_with_capped_scores_loads_and_learns(tmp_path: Path) -> None:
    config = Gemma2Config(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
    )
    Gemma2ForCausalLM(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)

    model = load(tmp_path, method={"kind": "lora"}).model.train()
    model(input_ids=torch.tensor([[5, 6, 7]])).logits.sum().backward()

    assert model.config._attn_implementation == "eager"
    assert all(weight.grad is not None for weight in trained(model).values())


def test_parameters_of_a_packed_base_are_counted_unpacked(base_folder: Path) -> None:
    exact, packed = load(base_folder, method={"kind": "lora"}), load(base_folder, method={"kind": "qlora"})

    assert packed.total_parameters == exact.total_parameters
    assert packed.trained_parameters == exact.trained_parameters


def test_only_whole_models_train_everything(base_folder: Path) -> None:
    whole = load(base_folder, method={"kind": "full"})

    assert whole.trained_parameters == whole.total_parameters


def test_virtual_tokens_are_known(base_folder: Path) -> None:
    assert load(base_folder, method={"kind": "prompt_tuning", "virtual_tokens": 7}).virtual_tokens == 7


@pytest.mark.parametrize("kind", ["lora", "prompt_tuning"])
def test_the_plain_loss_is_the_usual_cross_entropy(base_folder: Path, kind: str) -> None:
    model = load(base_folder, method={"kind": kind}).model.eval()
    ids = torch.tensor([[5, 6, 7, 8, 9], [9, 8, 7, 6, 5]])
    labels = torch.tensor([[IGNORED, IGNORED, 7, 8, 9], [IGNORED, 8, IGNORED, IGNORED, 5]])
    mask = torch.ones_like(ids)

    with torch.no_grad():
        found = plain_losses(model, {"input_ids": ids, "labels": labels, "attention_mask": mask})
        expected = model(input_ids=ids, attention_mask=mask, labels=labels).loss

    assert int(found.tokens) == 5
    torch.testing.assert_close(found.loss / found.tokens, expected)


def test_the_8_bit_optimizers_wait_for_a_gpu() -> None:
    gpu = Hardware(device="cuda", device_name="a GPU", compute=torch.bfloat16, threads=1)

    assert usable_optimizer("paged_adamw_8bit", CPU) == "adamw"
    assert usable_optimizer("paged_adamw_8bit", gpu) == "paged_adamw_8bit"
