"""The shape of a base model, from its `config.json` alone: what its weights are and how large. Pure.

The layouts are those of the modelling code of transformers 5.23.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from studio.base_models.architectures import ARCHITECTURES
from studio.errors import InvalidInput

_MOST = 10**7
_MOST_LAYERS = 1000


@dataclass(frozen=True)
class Linear:
    """A weight (outputs, inputs) of every layer; `feedforward` or of the attention."""

    name: str
    inputs: int
    outputs: int
    bias: bool
    feedforward: bool

    @property
    def parameters(self) -> int:
        """Numbers in weight and bias."""
        return self.inputs * self.outputs + (self.outputs if self.bias else 0)


@dataclass(frozen=True)
class ModelShape:
    """The decoder's sizes; `norms` are vectors of the hidden size in each layer, `query_norm` and `key_norm` widths."""

    model_type: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    context_tokens: int | None
    tied: bool
    norms: int
    query_norm: int
    key_norm: int
    linears: tuple[Linear, ...]

    @property
    def query_width(self) -> int:
        """Width of all queries together."""
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Width of all keys together; of the values too."""
        return self.kv_heads * self.head_dim

    @property
    def fused(self) -> bool:
        """Whether queries, keys and values are one product."""
        return self.linears[0].name == "qkv_proj"

    @property
    def materialises_scores(self) -> bool:
        """Whether its attention holds all (T, T) scores."""
        return ARCHITECTURES[self.model_type].kernel == "eager"

    @property
    def linear_parameters(self) -> int:
        """Numbers in the linear weights and biases of all layers."""
        return self.layers * sum(linear.parameters for linear in self.linears)

    @property
    def linear_weights(self) -> int:
        """The same without the biases: what is multiplied, and what a quantized base holds in 4 or 8 bits."""
        return self.layers * sum(linear.inputs * linear.outputs for linear in self.linears)

    @property
    def head_weights(self) -> int:
        """Numbers in the output head, tied or not; as many as in the embedding."""
        return self.vocabulary * self.hidden

    @property
    def norm_parameters(self) -> int:
        """Numbers in all norms."""
        return self.layers * (self.norms * self.hidden + self.query_norm + self.key_norm) + self.hidden

    @cached_property
    def parameters(self) -> int:
        """All numbers of the model; a tied embedding once."""
        ends = self.head_weights * (1 if self.tied else 2)
        return ends + self.linear_parameters + self.norm_parameters


@dataclass(frozen=True)
class _Layout:
    """How a model type differs: what transformers does where config.json is silent, and what its layers hold."""

    tied: bool = False
    head_dim: int | None = None
    kv_heads: int | None = None
    norms: int = 2
    biases: tuple[str, ...] = ()
    """Always there."""
    attention_bias: bool = False
    """Whether `attention_bias` of config.json puts one on each linear of the attention."""
    mlp_bias: bool = False
    query_key_norm: str = ""
    """`head`: over each head; `whole`: over all heads at once."""
    fused: bool = False
    """Queries, keys and values are one linear, gate and up another."""


_GEMMA = {"tied": True, "head_dim": 256, "attention_bias": True}
_LAYOUTS: dict[str, _Layout] = {
    "gemma": _Layout(**_GEMMA),  # type: ignore[arg-type]
    "gemma2": _Layout(**_GEMMA, kv_heads=4, norms=4),  # type: ignore[arg-type]
    "gemma3_text": _Layout(**_GEMMA, kv_heads=4, norms=4, query_key_norm="head"),  # type: ignore[arg-type]
    "granite": _Layout(attention_bias=True, mlp_bias=True),
    "llama": _Layout(attention_bias=True, mlp_bias=True),
    "ministral": _Layout(kv_heads=8),
    "mistral": _Layout(kv_heads=8),
    "olmo2": _Layout(attention_bias=True, query_key_norm="whole"),
    "phi3": _Layout(fused=True),
    "qwen2": _Layout(biases=("q_proj", "k_proj", "v_proj")),
    "qwen3": _Layout(head_dim=128, attention_bias=True, query_key_norm="head"),
    "smollm3": _Layout(tied=True, attention_bias=True, mlp_bias=True),
}


def shape_of(config: Mapping[str, Any]) -> ModelShape:
    """Read the shape; raises InvalidInput with a sentence for an unknown type and for absent or absurd values."""
    kind = config.get("model_type")
    layout = _LAYOUTS.get(kind) if isinstance(kind, str) else None
    if not isinstance(kind, str) or layout is None:
        known = ", ".join(sorted(ARCHITECTURES))
        raise InvalidInput(
            f"The base model's type {_shown(kind)} is not known here, so nothing can be estimated; known are {known}."
        )
    hidden = _count(config, "hidden_size")
    heads = _count(config, "num_attention_heads")
    kv_heads = _count(config, "num_key_value_heads", default=layout.kv_heads or heads)
    head_dim = _count(config, "head_dim", default=layout.head_dim or _divided(hidden, heads))
    if heads % kv_heads:
        raise InvalidInput(
            f"The base model's config.json has {heads} heads for {kv_heads} key-value heads; one must divide the other."
        )
    layers = _count(config, "num_hidden_layers", most=_MOST_LAYERS)
    intermediate = _count(config, "intermediate_size")
    norm = {"head": (head_dim, head_dim), "whole": (heads * head_dim, kv_heads * head_dim)}
    query_norm, key_norm = norm.get(layout.query_key_norm, (0, 0))
    return ModelShape(
        model_type=kind,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        intermediate=intermediate,
        vocabulary=_count(config, "vocab_size"),
        context_tokens=_count(config, "max_position_embeddings", default=0) or None,
        tied=_flag(config, "tie_word_embeddings", layout.tied),
        norms=layout.norms,
        query_norm=query_norm,
        key_norm=key_norm,
        linears=_linears(config, layout, hidden, heads * head_dim, kv_heads * head_dim, intermediate),
    )


def _linears(
    config: Mapping[str, Any], layout: _Layout, hidden: int, queries: int, keys: int, intermediate: int
) -> tuple[Linear, ...]:
    """The linear weights of one layer, in the order of their use."""
    biased = set(layout.biases)
    if layout.attention_bias and _flag(config, "attention_bias", False):
        biased |= {"q_proj", "k_proj", "v_proj", "o_proj"}
    if layout.mlp_bias and _flag(config, "mlp_bias", False):
        biased |= {"gate_proj", "up_proj", "down_proj"}
    if layout.fused:
        attention = [("qkv_proj", hidden, queries + 2 * keys), ("o_proj", queries, hidden)]
        feedforward = [("gate_up_proj", hidden, 2 * intermediate)]
    else:
        attention = [("q_proj", hidden, queries), ("k_proj", hidden, keys), ("v_proj", hidden, keys)]
        attention.append(("o_proj", queries, hidden))
        feedforward = [("gate_proj", hidden, intermediate), ("up_proj", hidden, intermediate)]
    feedforward.append(("down_proj", intermediate, hidden))
    return tuple(
        Linear(name, inputs, outputs, name in biased, part is feedforward)
        for part in (attention, feedforward)
        for name, inputs, outputs in part
    )


def _divided(hidden: int, heads: int) -> int:
    if hidden % heads:
        raise InvalidInput(
            f"The base model's config.json has a hidden size of {hidden}, which {heads} heads do not divide; "
            "it needs a head_dim."
        )
    return hidden // heads


def _count(config: Mapping[str, Any], name: str, *, default: int | None = None, most: int = _MOST) -> int:
    """A number of things; raises InvalidInput when it is absent, not whole, or beyond what any model has."""
    value = config.get(name)
    if value is None and default is not None:
        return default
    if value is None:
        raise InvalidInput(f"The base model's config.json has no {name}, so its size is not known.")
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"The base model's config.json has {_shown(value)} for {name}; it must be a whole number.")
    if not 1 <= value <= most:
        raise InvalidInput(f"The base model's config.json has {_shown(value)} for {name}; that is no real model's.")
    return value


def _flag(config: Mapping[str, Any], name: str, default: bool) -> bool:
    value = config.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InvalidInput(f"The base model's config.json has {_shown(value)} for {name}; it must be true or false.")
    return value


def _shown(value: object) -> str:
    """A value in a sentence: short, whatever a file holds."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
