"""Weights, operations and file sizes equal what torch and peft count, to the integer, on the meta device."""

import math
from typing import Any

import pytest
import torch
from peft import get_peft_model_state_dict
from torch.utils.flop_counter import FlopCounterMode

from studio.base_models import ARCHITECTURES, config_of, curated
from studio.budget.counts import counts_of
from studio.budget.flops import counted_flops, useful_flops
from studio.budget.shapes import shape_of
from studio.errors import InvalidInput
from studio.methods import IA3, DoRA, Full, LoRA, Method, PromptTuning, QLoRA
from tests.budget.replicas import look_for_no_packing, replica

# Everything a form can say that changes what is counted.
METHODS: list[Method] = [
    QLoRA(rank=4, base_bits=16),
    LoRA(rank=3, dropout=0, targets="attention"),
    LoRA(rank=3, targets="v_proj, layers.1.mlp.down_proj, self_attn.o_proj"),
    LoRA(rank=2, targets="q_proj, qkv_proj, lm_head"),
    LoRA(rank=2, targets="embed_tokens, up_proj, gate_up_proj"),
    DoRA(rank=4),
    DoRA(rank=4, dropout=0),
    IA3(),
    PromptTuning(virtual_tokens=3),
    Full(),
]
# The others differ from Llama by biases, norms and defaults alone, which one method of each sort shows.
EVERY_METHOD = {"llama", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3"}
SOME = [METHODS[0], PromptTuning(virtual_tokens=3), Full()]
BATCH, TOKENS = 2, 8


def flops(model: Any, batch: int, tokens: int) -> tuple[int, int]:
    """What torch counts forward and back, with logits of every position."""
    ids = torch.zeros(batch, tokens, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as forward:
        loss = model(input_ids=ids, use_cache=False).logits.float().sum()
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    return forward.get_total_flops(), backward.get_total_flops()


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_what_torch_and_peft_count(model_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    look_for_no_packing(monkeypatch)
    for method in METHODS if model_type in EVERY_METHOD else SOME:
        model = replica(model_type, method, device="meta", dtype=torch.bfloat16)
        shape = shape_of(model.config.to_dict())

        counts, counted = counts_of(shape, method), counted_flops(shape, method, batch=BATCH, tokens=TOKENS)

        parameters = list(model.parameters())
        assert counts.parameters == sum(one.numel() for one in parameters), method
        assert counts.trained == sum(one.numel() for one in parameters if one.requires_grad), method
        assert counts.adapter_bytes == written_bytes(model, method), method
        assert {one.dtype for one in parameters if one.requires_grad} == {torch.float32}
        assert (counted.forward, counted.backward) == flops(model, BATCH, TOKENS), method


def written_bytes(model: Any, method: Method) -> int:
    """The tensors that `worker/export.py` writes."""
    if method.artifact == "model":
        written = list(model.parameters())
    elif isinstance(method, PromptTuning):
        # peft copies these to a CPU when it writes them, which the meta device has no values for.
        written = [model.prompt_encoder["default"].embedding.weight]
    else:
        written = list(get_peft_model_state_dict(model, save_embedding_layers=False).values())
    return sum(tensor.numel() * tensor.element_size() for tensor in written)


def test_a_real_size() -> None:
    config = config_of("meta-llama/Llama-3.1-8B-Instruct", None)
    assert config is not None
    sizes = {name: value for name, value in config.items() if name != "model_type"}
    model = replica("llama", LoRA(), device="meta", dtype=torch.bfloat16, **{**sizes, "head_dim": 128})
    shape = shape_of(config)

    counts = counts_of(shape, LoRA())

    assert counts.parameters == sum(one.numel() for one in model.parameters()) == 8_030_261_248 + 41_943_040
    assert counts.trained == sum(one.numel() for one in model.parameters() if one.requires_grad)


@pytest.mark.parametrize("facts", curated(), ids=lambda facts: facts.id)
def test_sizes_of_the_catalogue_add_up(facts: Any) -> None:
    assert shape_of(config_of(facts.id, None) or {}).parameters == facts.parameters


def test_the_demo_is_read_from_its_folder() -> None:
    assert shape_of(config_of("demo", None) or {}).parameters == 5_491_520


def test_pissa_writes_what_it_took_out_of_the_base() -> None:
    shape = shape_of(config_of("demo", None) or {})

    plain, changed = counts_of(shape, LoRA()), counts_of(shape, LoRA(initialisation="pissa"))

    assert (changed.trained, changed.adapter_bytes) == (plain.trained, 2 * plain.adapter_bytes)


def test_whole_models_are_written_as_they_train() -> None:
    shape = shape_of(config_of("demo", None) or {})

    assert counts_of(shape, Full()).adapter_bytes == 4 * 5_491_520
    assert counts_of(shape, Full(), "bfloat16").adapter_bytes == 2 * 5_491_520


def test_targets_that_are_nowhere_are_told() -> None:
    shape = shape_of(config_of("demo", None) or {})

    with pytest.raises(InvalidInput, match="No layer of this base model is called query; it has down_proj, gate_proj"):
        counts_of(shape, LoRA(targets="query"))


@pytest.mark.parametrize(
    ("base_model_id", "method", "tokens", "plain", "checkpointed"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", LoRA(), 2048, 32.15, 46.73),
        ("Qwen/Qwen2.5-7B-Instruct", LoRA(), 2048, 29.96, 43.50),
        ("meta-llama/Llama-3.2-1B-Instruct", LoRA(), 2048, 5.48, 7.58),
        ("meta-llama/Llama-3.1-8B-Instruct", LoRA(), 4096, 34.03, 49.14),
        ("meta-llama/Llama-3.1-8B-Instruct", Full(), 2048, 46.9, None),
    ],
)
def test_useful_operations_for_each_token(
    base_model_id: str, method: Method, tokens: int, plain: float, checkpointed: float | None
) -> None:
    """In 10^9: 2 N forward and 2 N back, 6 N of the adapter, half of the attention forward and 2.5 of it back."""
    shape = shape_of(config_of(base_model_id, None) or {})

    found = useful_flops(shape, method, batch=1, tokens=tokens).total / tokens / 1e9
    again = useful_flops(shape, method, batch=1, tokens=tokens, checkpointing=True).total / tokens / 1e9

    assert math.isclose(found, plain, rel_tol=0.002)
    assert checkpointed is None or math.isclose(again, checkpointed, rel_tol=0.002)


def test_only_learned_positions_need_logits() -> None:
    shape = shape_of(config_of("demo", None) or {})

    every, few = (useful_flops(shape, LoRA(), batch=2, tokens=100, learned_share=share).total for share in (1.0, 0.25))

    # Forward and back to the hidden states, for 150 of 200 positions.
    assert every - few == 2 * 2 * 150 * 2048 * 320
