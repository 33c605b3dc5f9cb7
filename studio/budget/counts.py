"""Exact numbers of weights: what a method trains beside a base model, and how large its file is. Pure.

As peft 0.21 makes adapters and `worker/export.py` writes them; the tests count the real ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from studio.base_models.architectures import ARCHITECTURES
from studio.budget.shapes import Linear, ModelShape
from studio.errors import InvalidInput
from studio.methods import IA3, DoRA, LowRank, MethodBase, PromptTuning

EMBEDDING, HEAD = "embed_tokens", "lm_head"


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers, and the bytes of the result's tensors.

    A safetensors file holds about 150 bytes more for each tensor: its name, type and place.
    """

    base_parameters: int
    trained: int
    adapter_bytes: int
    changes_base: bool

    @property
    def parameters(self) -> int:
        """All numbers that are held while training."""
        return self.base_parameters if self.changes_base else self.base_parameters + self.trained

    @property
    def trained_share(self) -> float:
        """Trained numbers for each number of the base model."""
        return self.trained / self.base_parameters


@dataclass(frozen=True, slots=True)
class Adapted:
    """Which weights carry an adapter: names of linears for each layer, and the two ends of the model."""

    layers: tuple[frozenset[str], ...]
    embedding: bool = False
    head: bool = False


@lru_cache(maxsize=1024)
def counts_of(shape: ModelShape, method: MethodBase, precision: str = "auto") -> Counts:
    """Count what is trained and written; raises InvalidInput when no layer is called as the method's targets.

    Adapters are trained and written in float32. `precision` is the run's: a whole model is trained and written in
    float32 too, unless that is `bfloat16`.
    """
    base = shape.parameters
    if method.artifact == "model":
        return Counts(base, base, base * (2 if precision == "bfloat16" else 4), changes_base=True)
    if isinstance(method, PromptTuning):
        trained = written = method.virtual_tokens * shape.hidden
    elif isinstance(method, LowRank):
        trained = sum(count for _, count in _low_rank(shape, method))
        # What PiSSA took out of the base is written too, as more rows of A and columns of B.
        written = trained * 2 if method.initialisation == "pissa" else trained
    else:
        trained = written = sum(
            scaled_width(shape, linear)
            for names in adapted(shape, method).layers
            for linear in shape.linears
            if linear.name in names
        )
    return Counts(base, trained, written * 4, changes_base=False)


def adapted(shape: ModelShape, method: MethodBase) -> Adapted:
    """Where the method's adapters sit; raises InvalidInput when no layer is called as its targets."""
    if isinstance(method, LowRank):
        return _targeted(shape, method.targets)
    if isinstance(method, IA3):
        return Adapted((frozenset(ARCHITECTURES[shape.model_type].ia3_targets),) * shape.layers)
    return Adapted((frozenset(),) * shape.layers)


def scaled_width(shape: ModelShape, linear: Linear) -> int:
    """How many factors IA3 learns for a linear: of its inputs in the feed-forward part, else of its outputs."""
    return linear.inputs if linear.name in ARCHITECTURES[shape.model_type].ia3_feedforward else linear.outputs


@lru_cache(maxsize=1024)
def _targeted(shape: ModelShape, targets: str) -> Adapted:
    """Match names as peft does: whole, or behind a dot of a module's path."""
    everywhere = frozenset(linear.name for linear in shape.linears)
    if targets == "all-linear":
        return Adapted((everywhere,) * shape.layers)
    if targets == "attention":
        return Adapted((frozenset(ARCHITECTURES[shape.model_type].attention),) * shape.layers)
    names = [name.strip() for name in targets.split(",")]
    found = Adapted(
        tuple(
            frozenset(linear.name for linear in shape.linears if _named(_path(number, linear), names))
            for number in range(shape.layers)
        ),
        embedding=_named(f"model.{EMBEDDING}", names),
        head=_named(HEAD, names),
    )
    if not any(found.layers) and not found.embedding and not found.head:
        raise InvalidInput(f"No layer of this base model is called {targets}; it has {', '.join(sorted(everywhere))}.")
    return found


def _path(number: int, linear: Linear) -> str:
    return f"model.layers.{number}.{'mlp' if linear.feedforward else 'self_attn'}.{linear.name}"


def _named(path: str, names: list[str]) -> bool:
    return any(path == name or path.endswith(f".{name}") for name in names)


def _low_rank(shape: ModelShape, method: LowRank) -> Iterator[tuple[str, int]]:
    """Name and numbers of each adapter: A (R, in), B (out, R), and the magnitudes of DoRA (out)."""
    where, magnitudes = adapted(shape, method), isinstance(method, DoRA)
    for names in where.layers:
        for linear in shape.linears:
            if linear.name in names:
                yield linear.name, _pair(method.rank, linear.inputs, linear.outputs, magnitudes)
    if where.embedding:
        yield EMBEDDING, _pair(method.rank, shape.vocabulary, shape.hidden, magnitudes)
    if where.head:
        yield HEAD, _pair(method.rank, shape.hidden, shape.vocabulary, magnitudes)


def _pair(rank: int, inputs: int, outputs: int, magnitudes: bool) -> int:
    return rank * (inputs + outputs) + (outputs if magnitudes else 0)
