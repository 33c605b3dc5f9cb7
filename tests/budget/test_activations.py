"""What a layer keeps for its way back equals what autograd keeps, tensor by tensor, on a CPU."""

import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from studio.budget.activations import Step, layer_bytes, saved_bytes
from studio.budget.shapes import shape_of
from studio.methods import IA3, DoRA, Full, LoRA, Method, PromptTuning
from tests.budget.replicas import replica

SIZES: dict[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "head_dim": 16,
    "intermediate_size": 384,
}
TOKENS = 96
SPLIT = LoRA(rank=8, dropout=0, targets="q_proj, v_proj, qkv_proj")
# The layouts that differ: capped scores, one product for queries, keys and values, norms over heads, four norms.
CASES: list[tuple[str, Method]] = [
    *(("llama", method) for method in (LoRA(), SPLIT, DoRA(), DoRA(dropout=0), IA3(), PromptTuning(), Full())),
    *((kind, method) for kind in ("qwen3", "gemma3_text", "gemma2", "phi3") for method in (SPLIT, IA3(), Full())),
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that share small products wait for each other longer than these take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Kept:
    """A tensor that autograd holds; gone when it lets go."""

    def __init__(self, tensor: torch.Tensor, place: str) -> None:
        self.tensor, self.place = tensor, place


def census(model: Any, rows: int, tokens: int, *, autocast: bool, padded: bool) -> int:
    """Bytes that the second layer keeps at the end of the way forward, without the model's own weights."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    place, kept = [""], weakref.WeakSet[Kept]()

    def leave(*arguments: Any) -> None:
        place.pop()

    for name, module in model.named_modules():
        module.register_forward_pre_hook(lambda module, arguments, name=name: place.append(name))
        module.register_forward_hook(leave)

    def pack(tensor: torch.Tensor) -> Kept:
        found = Kept(tensor, place[-1])
        kept.add(found)
        return found

    mask = torch.ones(rows, tokens, dtype=torch.long)
    mask[0, tokens // 2 :] = 0 if padded else 1
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda found: found.tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=autocast),
    ):
        output = model(input_ids=torch.zeros(rows, tokens, dtype=torch.long), attention_mask=mask, use_cache=False)
    # The first place to keep a tensor pays for it: the layers' order is that of their names.
    sizes: dict[int, tuple[str, int]] = {}
    for one in sorted(kept, key=lambda one: one.place):
        storage = one.tensor.untyped_storage()
        sizes.setdefault(storage.data_ptr(), (one.place, storage.nbytes()))
    assert output.logits.requires_grad
    return sum(size for pointer, (name, size) in sizes.items() if ".layers.1." in f".{name}." and pointer not in own)


@pytest.mark.parametrize("autocast", [True, False], ids=["bfloat16", "float32"])
@pytest.mark.parametrize(("model_type", "method"), CASES, ids=lambda value: getattr(value, "kind", value))
def test_a_layer_keeps_what_autograd_keeps(model_type: str, method: Method, autocast: bool) -> None:
    dtype = torch.bfloat16 if autocast else torch.float32
    model = replica(model_type, method, device="cpu", dtype=dtype, **SIZES)
    virtual = method.virtual_tokens if isinstance(method, PromptTuning) else 0
    step = Step(
        shape_of(model.config.to_dict()),
        method,
        batch=1,
        length=TOKENS + virtual,
        on_gpu=False,
        compute=2 if autocast else 4,
        autocast=autocast,
    )

    measured = census(model, 1, TOKENS, autocast=autocast, padded=False)

    # Left out are vectors of a layer's width: one for each norm of Gemma and each linear of DoRA and IA3.
    assert measured == pytest.approx(layer_bytes(step), rel=0.025)


@pytest.mark.parametrize("model_type", ["llama", "phi3"])
def test_rows_of_unequal_length_need_a_mask_and_repeated_keys(model_type: str) -> None:
    model = replica(model_type, SPLIT, device="cpu", dtype=torch.bfloat16, **SIZES)
    step = Step(shape_of(model.config.to_dict()), SPLIT, batch=2, length=TOKENS, on_gpu=False)

    measured = census(model, 2, TOKENS, autocast=True, padded=True)

    assert measured == pytest.approx(layer_bytes(step), rel=0.01)


def test_checkpointing_keeps_the_input_of_each_layer() -> None:
    shape = shape_of(replica("llama", LoRA(), device="meta", dtype=torch.bfloat16).config.to_dict())
    step = Step(shape, LoRA(), batch=2, length=64, checkpointing=True)

    assert saved_bytes(step) == 2 * 64 * shape.hidden * 2 * shape.layers
