"""The memory of a run, from the shape of its base model alone. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from studio.budget.activations import LOGIT_BYTES, Step, head_bytes, saved_bytes, working_bytes
from studio.budget.counts import adapted, counts_of
from studio.budget.flops import virtual_tokens
from studio.budget.hardware import Hardware
from studio.budget.shapes import ModelShape
from studio.errors import InvalidInput
from studio.methods import LowRank, OverAnyBase
from studio.runs.spec import RunSpec

Fit = Literal["fits", "tight", "does_not_fit"]
TIGHT = 0.9
MOST_ROWS, MOST_TOKENS = 1024, 131_072
# CUDA's own code and cuBLAS' workspaces; torch does not count them, the driver does.
_CUDA_CONTEXT = 520 << 20
# Resident memory of Python with torch, transformers, peft and TRL, before a model is loaded.
_CPU_STACK = 700 << 20
# The allocator keeps blocks that are free but of the wrong size.
_SLACK = 0.03
# Two moments of AdamW for each weight: in float32, or in 8 bits with their scales, 4 bytes for 256 numbers.
_MOMENT_BYTES = {"adamw": 8.0, "adamw_8bit": 2.03, "paged_adamw_8bit": 2.03}


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes at the moment of a step when most are needed, by what they hold."""

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    context: int
    slack: int

    @property
    def parts(self) -> Mapping[str, int]:
        """Bytes by name, in the order of a stacked bar."""
        return {
            "weights": self.weights,
            "adapter": self.adapter,
            "gradients": self.gradients,
            "optimizer": self.optimizer,
            "activations": self.activations,
            "logits": self.logits,
            "context": self.context,
            "slack": self.slack,
        }

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.parts.values())


def memory_of(spec: RunSpec, shape: ModelShape, hardware: Hardware, longest_tokens: int) -> Memory:
    """What a run needs; `longest_tokens` is its longest row, up to which its batch is padded.

    Raises InvalidInput when no layer is called as the method's targets.
    """
    return memory_in(step_of(spec, shape, hardware, longest_tokens))


def step_of(spec: RunSpec, shape: ModelShape, hardware: Hardware, longest_tokens: int) -> Step:
    """How the trainer computes a step of the run there (`worker/model.py`, `worker/trainer.py`)."""
    chosen = spec.hyperparameters
    bfloat16 = hardware.computes_in_bfloat16(chosen.precision)
    return Step(
        shape=shape,
        method=spec.method,
        batch=chosen.batch_size,
        length=longest_tokens + virtual_tokens(spec.method),
        on_gpu=hardware.on_gpu,
        compute=2 if bfloat16 else 4,
        autocast=bfloat16,
        master=2 if chosen.precision == "bfloat16" else 4,
        # The 8-bit optimizers need a GPU; on a CPU the trainer takes AdamW for them.
        optimizer=chosen.optimizer if hardware.on_gpu else "adamw",
        accumulates=chosen.gradient_accumulation_steps > 1,
        checkpointing=chosen.gradient_checkpointing,
        logit_bytes=None if hardware.on_gpu else LOGIT_BYTES[2 if bfloat16 else 4],
    )


def memory_in(step: Step) -> Memory:
    """What a step needs at its worst moment: most often when it turns back at the output head."""
    counts = counts_of(step.shape, step.method)
    width = step.master if step.full else step.adapter
    moments = counts.trained * _MOMENT_BYTES[step.optimizer] * (width / 4 if step.optimizer == "adamw" else 1)
    gradients = counts.trained * width
    saved, working, head = saved_bytes(step), working_bytes(step), head_bytes(step)
    if step.full and not step.accumulates:
        # Gradients take the room of activations while these are let go of.
        saved = max(0, saved - gradients)
    activations = saved + working
    logits = max(0, head - working)
    return Memory(
        weights=weight_bytes(step),
        adapter=0 if step.full else counts.trained * width,
        gradients=gradients,
        optimizer=int(moments),
        activations=activations,
        logits=logits,
        context=_CUDA_CONTEXT if step.on_gpu else _CPU_STACK,
        slack=int(_SLACK * (activations + logits + gradients)) + (0 if step.on_gpu else _heap_bytes(step)),
    )


def _heap_bytes(step: Step) -> int:
    """What glibc's heap does not give out again on a CPU: two outputs of each adapter, its product and that scaled.

    The demo model took 0.8 to 1.0 GB more than its tensors at 8,192 positions, with checkpointing as without it; with
    a fixed MALLOC_MMAP_THRESHOLD_ of 1 MB it did not.
    """
    if not isinstance(step.method, LowRank):
        return 0
    layers = adapted(step.shape, step.method).layers
    outputs = {linear.name: linear.outputs for linear in step.shape.linears}
    return 2 * 4 * step.positions * sum(outputs[name] for names in layers for name in names)


def weight_bytes(step: Step) -> int:
    """The base model's weights: linears in the method's bits with their scales, all else in the run's arithmetic."""
    shape = step.shape
    if step.full:
        return shape.parameters * step.master
    plain = (shape.parameters - shape.linear_weights) * step.compute
    if step.base_bits == 8:
        rows = shape.layers * sum(linear.outputs for linear in shape.linears)
        return plain + shape.linear_weights + 4 * rows
    if step.base_bits == 4:
        # A scale for each 64 weights: 4 bytes, or quantized again to 1 byte with 4 bytes for each 256 scales.
        double = isinstance(step.method, OverAnyBase) and step.method.double_quantization
        scale = 1 + 4 / 256 if double else 4
        return plain + int(shape.linear_weights * (0.5 + scale / 64))
    return plain + shape.linear_weights * step.compute


def fit_of(memory: Memory, hardware: Hardware) -> Fit:
    """Whether it fits; tight from 90 % on, where a longer row or another program on the device can break it."""
    share = memory.total / usable_bytes(hardware)
    return "fits" if share <= TIGHT else "tight" if share <= 1 else "does_not_fit"


def usable_bytes(hardware: Hardware) -> int:
    """The part of a device's memory that programs can have: the driver keeps about 1.5 % of a GPU's."""
    return int(hardware.memory_bytes * (0.985 if hardware.on_gpu else 1.0))


def largest_batch(
    spec: RunSpec, shape: ModelShape, hardware: Hardware, longest_tokens: int, factor: float = 1.0
) -> int:
    """The most rows per pass that fit without being tight; 0 when not even one does.

    `factor` is how many times the estimated memory runs like this have needed; so below.
    """

    def total(batch: int) -> int:
        changed = spec.hyperparameters.model_copy(update={"batch_size": batch})
        return memory_of(spec.model_copy(update={"hyperparameters": changed}), shape, hardware, longest_tokens).total

    return _largest(total, TIGHT * usable_bytes(hardware) / factor, MOST_ROWS)


def largest_length(spec: RunSpec, shape: ModelShape, hardware: Hardware, factor: float = 1.0) -> int:
    """The longest rows in tokens that fit without being tight, within the model's context; 0 when none do."""
    most = (shape.context_tokens or MOST_TOKENS) - virtual_tokens(spec.method)
    return _largest(
        lambda tokens: memory_of(spec, shape, hardware, tokens).total,
        TIGHT * usable_bytes(hardware) / factor,
        min(most, MOST_TOKENS),
    )


def models_that_fit(
    spec: RunSpec,
    shapes: Mapping[str, ModelShape],
    hardware: Hardware,
    longest_tokens: int,
    factors: Mapping[str, float] | None = None,
) -> list[str]:
    """The base models (ids of `shapes`) that fit with these settings without being tight, the largest first.

    `factors` are those of each base model; of one that is not there, 1.
    """
    found = []
    room = TIGHT * usable_bytes(hardware)
    for base_model_id, shape in shapes.items():
        try:
            memory = memory_of(spec, shape, hardware, longest_tokens)
        except InvalidInput:  # the method's targets are layers of another architecture
            continue
        if memory.total * (factors or {}).get(base_model_id, 1.0) <= room:
            found.append(base_model_id)
    return sorted(found, key=lambda base_model_id: shapes[base_model_id].parameters, reverse=True)


def _largest(total: Callable[[int], int], room: float, most: int) -> int:
    """The largest number up to `most` whose memory fits into the room, by halving: memory grows with it."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if total(middle) <= room:
            low = middle
        else:
            high = middle - 1
    return low
