"""Which architectures are trained here, and what their layers are called."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class Architecture:
    """Names of the linear layers that adapters attach to, as transformers spells them, and how attention runs."""

    attention: tuple[str, ...]
    ia3_targets: tuple[str, ...]
    ia3_feedforward: tuple[str, ...]
    kernel: Literal["sdpa", "eager"] = "sdpa"
    """`eager` holds all (T, T) scores: for scores that are capped, which torch's own kernel cannot do."""


_SPLIT_QKV = Architecture(
    attention=("q_proj", "k_proj", "v_proj", "o_proj"),
    ia3_targets=("k_proj", "v_proj", "down_proj"),
    ia3_feedforward=("down_proj",),
)
_FUSED_QKV = Architecture(
    attention=("qkv_proj", "o_proj"),
    ia3_targets=("qkv_proj", "down_proj"),
    ia3_feedforward=("down_proj",),
)

# The keys are `model_type` in config.json. A type that is not listed is refused before transformers sees it.
ARCHITECTURES: dict[str, Architecture] = {
    "gemma": _SPLIT_QKV,
    "gemma2": replace(_SPLIT_QKV, kernel="eager"),
    "gemma3_text": _SPLIT_QKV,
    "granite": _SPLIT_QKV,
    "llama": _SPLIT_QKV,
    "ministral": _SPLIT_QKV,
    "mistral": _SPLIT_QKV,
    "olmo2": _SPLIT_QKV,
    "phi3": _FUSED_QKV,
    "qwen2": _SPLIT_QKV,
    "qwen3": _SPLIT_QKV,
    "smollm3": _SPLIT_QKV,
}
