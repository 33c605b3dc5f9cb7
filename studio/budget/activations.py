"""Bytes that a pass keeps for its way back, counted from the shapes of what autograd saves. Pure.

Letters as in the census that these formulas were checked against: c bytes of a number in the arithmetic of the run,
I inputs of a linear, H hidden, F intermediate, T tokens of a row. All counts are bytes for each position of a layer
unless the name says otherwise.
"""

from dataclasses import dataclass

from studio.budget.counts import adapted, scaled_width
from studio.budget.shapes import Linear, ModelShape
from studio.methods import IA3, DoRA, LowRank, Method, OverAnyBase

# Logits that are all held: float32 ones, their logarithms of probabilities, and a gradient of each. A bfloat16 model's
# are there in bfloat16 beside that, but then without the float32 ones.
LOGIT_BYTES = {4: 16.0, 2: 14.0}
_TILE_ROWS, _TILE_COLUMNS = 4096, 32768  # of TRL's fused head


@dataclass(frozen=True, slots=True)
class Step:
    """How one step is computed, as far as memory depends on it; `length` counts virtual tokens.

    `compute` and the other widths are bytes of a number: of products, of a trained base weight, of an adapter's.
    `autocast` casts at each product, as transformers' Trainer does; without it everything keeps its width.
    `logit_bytes` are held for each logit; None is TRL's fused head, which holds a tile of them at a time.
    """

    shape: ModelShape
    method: Method
    batch: int
    length: int
    on_gpu: bool = True
    compute: int = 2
    autocast: bool = True
    master: int = 4
    adapter: int = 4
    optimizer: str = "adamw"
    accumulates: bool = True
    checkpointing: bool = False
    logit_bytes: float | None = None

    @property
    def positions(self) -> int:
        """Rows x tokens."""
        return self.batch * self.length

    @property
    def full(self) -> bool:
        """Whether the base weights train."""
        return self.method.artifact == "model"

    @property
    def base_bits(self) -> int:
        """Bits of a frozen linear weight."""
        return self.method.base_bits if isinstance(self.method, OverAnyBase) else 16

    @property
    def stream(self) -> int:
        """Bytes of a number between layers: a float32 embedding is never cast down."""
        return self.master if self.full else self.compute


def saved_bytes(step: Step) -> int:
    """What all layers keep at the end of the way forward; with checkpointing only the inputs of each."""
    if step.checkpointing:
        return step.positions * step.shape.hidden * step.stream * step.shape.layers
    return step.shape.layers * layer_bytes(step)


def layer_bytes(step: Step) -> int:
    """What one layer keeps between forward and back."""
    names = adapted(step.shape, step.method).layers[-1]
    a_position = (
        _norms(step)
        + _attention(step)
        + 3 * step.compute * step.shape.intermediate
        + _inputs(step, names)
        + sum(_beside(step, linear) for linear in step.shape.linears if linear.name in names)
    )
    return step.positions * a_position + _copies(step, names)


def working_bytes(step: Step) -> int:
    """What is made and let go of while going back through a layer; with checkpointing that layer is there again."""
    shape, c = step.shape, step.compute
    a_position = 3 * c * shape.intermediate + 4 * shape.hidden * step.stream
    if isinstance(step.method, LowRank | IA3) and step.adapter > c:
        # The way back through the casts to float32 and through dropout.
        a_position += 2 * 4 * shape.intermediate
    working = step.positions * a_position
    widest = max((linear.inputs * linear.outputs for linear in shape.linears), default=0)
    if isinstance(step.method, DoRA):
        # peft multiplies an identity (I, I) with A and B, and takes the norm of the whole weight, in float32.
        working += 12 * widest + (4 + c) * max(linear.inputs for linear in shape.linears) ** 2
    elif step.base_bits < 16:
        working += widest * c
    return working + (layer_bytes(step) if step.checkpointing else 0)


def head_bytes(step: Step) -> int:
    """What the output head and its loss need at once, behind the last layer."""
    shape, n, c = step.shape, step.positions, step.compute
    if step.logit_bytes is not None:
        return int(n * shape.vocabulary * step.logit_bytes)
    tile = min(n, _TILE_ROWS) * _TILE_COLUMNS * c
    trained = 4 * shape.head_weights + _TILE_COLUMNS * shape.hidden * c if step.full else 0
    return tile + n * shape.hidden * (c + 4) + trained


def _norms(step: Step) -> int:
    """Each norm keeps its input in float32 and a factor a row; a trained one its output before the weight too."""
    shape = step.shape
    in_float32 = shape.model_type.startswith("gemma")
    kept = 4 + (4 if in_float32 else step.stream) * step.full
    found = shape.norms * (kept * shape.hidden + 4)
    if shape.query_norm:
        kept = 4 + (4 if in_float32 else step.compute) * step.full
        found += kept * (shape.query_width + shape.key_width) + 4 * (shape.heads + shape.kv_heads)
    return found


def _attention(step: Step) -> int:
    """Queries, keys, values, outputs and a sum a head; rows of unequal length need a mask and repeated keys."""
    shape, c = step.shape, step.compute
    masked = step.batch > 1
    if shape.materialises_scores:
        # The softmax in float32 and in c bytes (one tensor if that is the same), and what the cap on scores keeps.
        return 3 * c * shape.query_width + shape.heads * step.length * (4 + c + (c if c < 4 else 0))
    repeated = masked and shape.heads > shape.kv_heads
    found = 2 * c * (shape.query_width + (shape.query_width if repeated else shape.key_width)) + 4 * shape.heads
    if shape.fused and not repeated:
        # The values are a view of the whole product.
        found += c * (shape.query_width + shape.key_width)
    return found + (c * step.length if masked else 0)


def _inputs(step: Step, names: frozenset[str]) -> int:
    """Inputs of linears that a gradient of weights needs: shared by those that read the same, or cast for each."""
    shared: dict[str, int] = {}
    own = 0
    for linear in step.shape.linears:
        group = _group(linear)
        if step.full and step.autocast and step.master > step.compute:
            if group in {"attention", "gates"}:
                own += linear.inputs * step.compute
            else:
                shared[group] = linear.inputs
        elif step.full or step.base_bits == 8:
            shared[group] = linear.inputs
        if linear.name in names and isinstance(step.method, LowRank):
            copied = _dropped(step, step.method, linear)
            own += copied
            if not copied:
                shared[group] = linear.inputs
    if not (step.shape.materialises_scores or step.shape.fused):
        # The attention keeps its output, which is what the next linear reads; the others read a copy of it.
        shared.pop("output", None)
    return own + sum(shared.values()) * step.compute


def _dropped(step: Step, method: LowRank, linear: Linear) -> int:
    """The input of an adapter where it is a tensor of its own, with the mask of dropout; 0 where it is the linear's."""
    # peft casts to the adapter's width; over a 4- or 8-bit base it leaves that to autocast.
    cast = step.adapter > step.compute and not (step.autocast and step.base_bits < 16)
    kept = step.compute if step.autocast else max(step.adapter, step.compute)
    if not method.dropout:
        return linear.inputs * kept if cast else 0
    mask = 1 if step.on_gpu else 4
    return linear.inputs * (kept + mask)


def _beside(step: Step, linear: Linear) -> int:
    """What the adapter of a linear keeps beside its input."""
    c, method = step.compute, step.method
    if isinstance(method, IA3):
        width = scaled_width(step.shape, linear)
        return width * (4 if width == linear.inputs and linear.feedforward else c)
    if not isinstance(method, LowRank):
        return 0
    inner = method.rank * (c if step.autocast else max(step.adapter, c))
    return inner + (2 * c * linear.outputs if isinstance(method, DoRA) else 0)


def _copies(step: Step, names: frozenset[str]) -> int:
    """Weights of a layer that are kept once more, whatever the number of positions."""
    linears = step.shape.linears
    if step.full and step.autocast and step.master > step.compute:
        return step.compute * sum(linear.inputs * linear.outputs for linear in linears)
    if not isinstance(step.method, LowRank):
        return 0
    copies = 0
    if step.autocast and step.adapter > step.compute:
        copies += (
            step.compute * step.method.rank * sum(one.inputs + one.outputs for one in linears if one.name in names)
        )
    if isinstance(step.method, DoRA) and step.method.dropout and step.compute < 4:
        copies += step.compute * sum(one.inputs * one.outputs for one in linears if one.name in names)
    return copies


def _group(linear: Linear) -> str:
    """What a linear reads: linears of the same group read the same tensor."""
    if linear.name == "o_proj":
        return "output"
    if linear.name == "down_proj":
        return "down"
    return "gates" if linear.feedforward else "attention"
