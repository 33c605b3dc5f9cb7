"""Operations of one pass, forward and back: as torch counts them, and as they are worth. Pure.

N positions in a pass (rows x tokens), R rank. The product of (N, I) with (I, O) is 2 N I O operations.
"""

from dataclasses import dataclass

from studio.budget.counts import Adapted, adapted, scaled_width
from studio.budget.shapes import Linear, ModelShape
from studio.methods import IA3, DoRA, LowRank, Method, PromptTuning


@dataclass(frozen=True, slots=True)
class Flops:
    """Operations; `recomputed` is what is done a second time on the way back."""

    forward: int
    backward: int
    recomputed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.forward + self.backward + self.recomputed


def virtual_tokens(method: Method) -> int:
    """How many tokens of context a method puts before every row."""
    return method.virtual_tokens if isinstance(method, PromptTuning) else 0


def counted_flops(shape: ModelShape, method: Method, *, batch: int, tokens: int) -> Flops:
    """What `torch.utils.flop_counter` counts for rows of `tokens`, with logits of every position and a 16-bit base.

    Frozen weights get no gradient, nor does what comes before the first trained number; a mask is no saving.
    """
    return _Counter(shape, method, batch, tokens + virtual_tokens(method)).count()


def useful_flops(
    shape: ModelShape,
    method: Method,
    *,
    batch: int,
    tokens: int,
    learned_share: float = 1.0,
    checkpointing: bool = False,
    fused_head: bool = False,
) -> Flops:
    """What a pass over rows of `tokens` has to compute: half of the attention, and logits where a loss is taken.

    `learned_share` is the share of positions with a label. The attention's way back is 2.5 times its way forward, as
    its kernels compute the scores again. `fused_head` computes the logits twice, as TRL does to hold few of them.
    """
    length = tokens + virtual_tokens(method)
    n = batch * length
    head = int(2 * batch * tokens * learned_share * shape.head_weights)
    attention = 2 * n * length * shape.query_width * shape.layers
    adapters, once = _beside(shape, method, n)
    layers = 2 * n * shape.linear_weights + attention + adapters + once
    backward = 2 * n * shape.linear_weights + head + int(2.5 * attention) + 2 * adapters
    if method.artifact == "model":
        backward += 2 * n * shape.linear_weights + head
    recomputed = (layers if checkpointing else 0) + (head if fused_head else 0)
    return Flops(layers + head, backward, recomputed)


def _beside(shape: ModelShape, method: Method, n: int) -> tuple[int, int]:
    """Forward operations of the adapters, and those that are done once a pass, whatever its size."""
    if not isinstance(method, LowRank):
        return 0, 0
    products = repeated = once = 0
    where = adapted(shape, method)
    for names in where.layers:
        for linear in shape.linears:
            if linear.name in names:
                products += 2 * n * method.rank * (linear.inputs + linear.outputs)
                repeated += _repeated(method, linear, n)
                once += _norm(method, linear)
    return products, repeated + once


def _norm(method: Method, linear: Linear) -> int:
    """DoRA's B A, which peft multiplies out with an identity (I, I) for each pass to take its norm."""
    if not isinstance(method, DoRA):
        return 0
    return 2 * linear.inputs * method.rank * (linear.inputs + linear.outputs)


def _repeated(method: Method, linear: Linear, n: int) -> int:
    """With dropout, DoRA multiplies the dropped inputs with the base weight once more."""
    return 2 * n * linear.inputs * linear.outputs if isinstance(method, DoRA) and method.dropout else 0


class _Counter:
    """Walks the layers as autograd does, keeping in mind what needs a gradient."""

    def __init__(self, shape: ModelShape, method: Method, batch: int, length: int) -> None:
        self._shape, self._method = shape, method
        self._n = batch * length
        # One of the two products of an attention: queries with keys, or scores with values.
        self._attention = 2 * batch * shape.heads * length * length * shape.head_dim
        self._full = method.artifact == "model"
        self._feedforward = {
            linear.name
            for linear in shape.linears
            if scaled_width(shape, linear) == linear.inputs and linear.feedforward
        }
        self._forward = self._backward = 0

    def count(self) -> Flops:
        where = adapted(self._shape, self._method)
        needs = self._full or isinstance(self._method, PromptTuning)
        needs = self._embedding(where) or needs
        for names in where.layers:
            needs = self._layer(names, needs)
        head = Linear("lm_head", self._shape.hidden, self._shape.vocabulary, bias=False, feedforward=False)
        self._linear(head, where.head, needs)
        return Flops(self._forward, self._backward)

    def _embedding(self, where: Adapted) -> bool:
        """LoRA on the embedding looks A up and multiplies with B only."""
        if where.embedding and isinstance(self._method, LowRank):
            product = 2 * self._n * self._method.rank * self._shape.hidden
            self._forward += product
            self._backward += 2 * product
        return where.embedding

    def _layer(self, names: frozenset[str], needs: bool) -> bool:
        linears = {linear.name: linear for linear in self._shape.linears}
        output, down = linears.pop("o_proj"), linears.pop("down_proj")
        attention = [linear for linear in linears.values() if not linear.feedforward]
        gates = [linear for linear in linears.values() if linear.feedforward]
        found = [self._linear(linear, linear.name in names, needs) for linear in attention]
        queries, keys, values = found if len(found) == 3 else found * 3
        self._forward += 2 * self._attention
        self._backward += self._attention * (queries + keys + values + (queries or keys))
        needs |= self._linear(output, output.name in names, queries or keys or values)
        gated = [self._linear(linear, linear.name in names, needs) for linear in gates]
        return self._linear(down, down.name in names, any(gated)) or needs

    def _linear(self, linear: Linear, has_adapter: bool, needs: bool) -> bool:
        """Count one weight with its adapter; returns whether its output needs a gradient."""
        product = 2 * self._n * linear.inputs * linear.outputs
        if has_adapter and isinstance(self._method, IA3) and linear.name in self._feedforward:
            needs = True
        self._forward += product
        self._backward += product * (needs + self._full)
        if has_adapter and isinstance(self._method, LowRank):
            self._low_rank(linear, self._method.rank, needs)
        return needs or has_adapter or self._full

    def _low_rank(self, linear: Linear, rank: int, needs: bool) -> None:
        into, out = 2 * self._n * linear.inputs * rank, 2 * self._n * rank * linear.outputs
        repeated = _repeated(self._method, linear, self._n)
        self._forward += into + out + repeated + _norm(self._method, linear)
        self._backward += into * (1 + needs) + 2 * out + repeated * needs
