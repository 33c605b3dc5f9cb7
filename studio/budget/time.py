"""The seconds that a run holds its hardware, part by part, from what its passes compute and move. Pure.

A pass takes the products at a share of the hardware's peak, the traffic of everything between the products, and what
starting each layer's kernels costs. On a GPU kernels are started ahead, so the longer of work and starting counts.
Constants are fitted to `benchmarks/estimate_time.py` on a CPU and to published runs on GPUs, where each says so.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from studio.budget.counts import adapted, counts_of
from studio.budget.flops import counted_flops, virtual_tokens
from studio.budget.hardware import Hardware
from studio.budget.shapes import ModelShape
from studio.methods import DoRA, LowRank, Method, OverAnyBase
from studio.runs import Plan, RunSpec

# Part of what a measurement is compared with: to be raised when the constants below change.
TIME_VERSION = 1
# Answers of a model that has learned little are longer than those of the rows.
_LONGER_ANSWERS = 1.5
PARTS = ("start", "preparing", "step", "validation", "answers", "checkpoint", "export")


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of work: what it takes each time, and how often it is done."""

    seconds: float
    times: float

    @property
    def total(self) -> float:
        """All times together."""
        return self.seconds * self.times


@dataclass(frozen=True, slots=True)
class Load:
    """What rows come to in tokens: of a row in a padded batch, of one by itself, and the share that is learned.

    `answer_tokens` are those of the answers that are generated at an evaluation.
    """

    padded: float
    mean: float
    answers: float
    answer_tokens: float


def load_from(padded: float, mean: float, answers: float) -> Load:
    """A load whose generated answers are as long as rows of this kind make them."""
    return Load(padded, mean, answers, max(8.0, _LONGER_ANSWERS * answers * mean))


@dataclass(frozen=True, slots=True)
class _Speed:
    """How a kind of device turns its rates into time; seconds are per layer."""

    products: float
    """Share of the peak that large products reach."""
    traffic: float
    """Share of the peak that memory traffic reaches."""
    layer: float
    """Starting the kernels of a layer, forward and back."""
    adapted: float
    """The same for each linear with an adapter."""
    token: float
    """Starting a layer for one generated token."""
    token_adapted: float
    start: float
    load_bytes_per_second: float
    disk_bytes_per_second: float


# H100 at 71 %: with the traffic below, Llama-3 8B LoRA at 4096 tokens comes to 12,400 tokens a second; NeMo AutoModel
# publishes 12,473. Starting kernels: 20,000 launches a step of 4 passes over 36 layers held a B200 at 5.9 ms a layer
# under another trainer (unsloth #10806); ours starts about 200 kernels a layer with adapters, 90 without.
_GPU = _Speed(0.71, 0.9, 1.2e-3, 0.19e-3, 0.8e-3, 0.1e-3, 8.0, 1.0e9, 0.5e9)
# Fitted to steps of the demo model on two quiet cores: of 27 settings of method, batch, base precision and
# checkpointing 26 come out within 15 %, the other at +20 %.
_CPU = _Speed(1.4, 1.0, 2.8e-3, 0.53e-3, 0.4e-3, 0.03e-3, 1.3, 0.8e9, 0.5e9)
# How often what goes into and out of a linear with LoRA is read or written beside the product: 1.8 MB a token and layer
# for Llama-3 8B (performance of eager PEFT); the CPU's figures agree.
_TRAVERSALS = 10
# The same of hidden and intermediate values in norms, activations and positions: 1.2 MB for Llama-3 8B.
_ELEMENTWISE = 33
# DoRA multiplies its update out at every pass and takes the norm of base and update: how often that moves all weights.
_NORM_TRAVERSALS, _NORM_TRAVERSALS_FORWARD = 6, 4
# 8-bit products are taken apart by outliers (LLM.int8); measured on a CPU, published as up to twice on GPUs.
_EIGHT_BIT = {"cpu": 3.0, "gpu": 1.8}
# bfloat16 products without hardware for them: 3.2 times as long as float32 on a CPU; about twice on a GPU (GTX 1080,
# T4: kubeedge/ianvs #888, openxla/xla #12429), where float32 takes ten times as long as tensor cores do.
_EMULATED = {"cpu": 3.2, "gpu": 20.0}
_FORWARD_SHARE = 0.35
_BYTES_OF_A_STEP = {"adamw": 28, "adamw_8bit": 16, "paged_adamw_8bit": 16}
# Rows tokenised a second; after the first run they come from the cache.
_ROWS_PER_SECOND = 6000


def parts_of(spec: RunSpec, plan: Plan, shape: ModelShape, hardware: Hardware, load: Load) -> dict[str, Part]:
    """Every part of a run by name, uncorrected; raises InvalidInput when no layer is called as the method's targets."""
    counts = counts_of(shape, spec.method, spec.hyperparameters.precision)
    speed = _GPU if hardware.on_gpu else _CPU
    evaluations = plan.evaluations
    kept = counts.trained * 4 / speed.disk_bytes_per_second
    checkpoints = max(1, math.ceil(plan.steps / 200))
    start = speed.start + 2 * shape.parameters / speed.load_bytes_per_second
    return {
        "start": Part(start, 1),
        "preparing": Part(0.15 + (plan.train_rows + plan.validation_rows) / _ROWS_PER_SECOND, 1),
        "step": Part(step_seconds(spec, shape, hardware, load), plan.steps),
        "validation": Part(_validation(spec, plan, shape, hardware, load) + kept + 0.01, evaluations),
        "answers": Part(_answers(spec, shape, hardware, load), evaluations),
        "checkpoint": Part(0.015 + 2.5 * kept, checkpoints),
        "export": Part(0.03 + counts.adapter_bytes / speed.disk_bytes_per_second, 1),
    }


def step_seconds(spec: RunSpec, shape: ModelShape, hardware: Hardware, load: Load) -> float:
    """One step of the optimizer with all its passes."""
    chosen = spec.hyperparameters
    counts = counts_of(shape, spec.method, chosen.precision)
    passes = chosen.gradient_accumulation_steps * _pass(spec, shape, hardware, chosen.batch_size, load)
    # AdamW reads weight, gradient and two moments and writes three of them; clipping reads the gradients once more.
    moved = _BYTES_OF_A_STEP[chosen.optimizer if hardware.on_gpu else "adamw"] + 4
    return passes + counts.trained * moved / _bandwidth(hardware) + 1e-3


def total_seconds(parts: Mapping[str, Part]) -> float:
    """All parts together."""
    return sum(part.total for part in parts.values())


def _pass(spec: RunSpec, shape: ModelShape, hardware: Hardware, batch: int, load: Load) -> float:
    """Forward and back over one batch."""
    method, recomputed = spec.method, spec.hyperparameters.gradient_checkpointing
    operations = _operations(shape, method, batch, round(load.padded), round(load.answers, 2), recomputed, False)
    positions = batch * (load.padded + virtual_tokens(method))
    again = 4 / 3 if recomputed else 1.0
    work = operations / _rate(spec, hardware) + _moved(spec, shape, hardware, positions) * again / _bandwidth(hardware)
    work += _norms(spec, shape, hardware, _NORM_TRAVERSALS) * again
    starting = _starting(shape, method, hardware) * (again if hardware.on_gpu else 1 + (again - 1) / 2)
    return max(work, starting) if hardware.on_gpu else work + starting


def _validation(spec: RunSpec, plan: Plan, shape: ModelShape, hardware: Hardware, load: Load) -> float:
    """Forward over the validation rows, in order of length, so that little is padded."""
    if not plan.validation_rows:
        return 0.0
    batch = min(spec.hyperparameters.batch_size, plan.validation_rows)
    passes = math.ceil(plan.validation_rows / batch)
    learned = round(load.answers, 2)
    operations = _operations(shape, _undropped(spec.method), batch, round(load.mean), learned, False, True)
    positions = batch * (load.mean + virtual_tokens(spec.method))
    moved = _moved(spec, shape, hardware, positions) * _FORWARD_SHARE / _bandwidth(hardware)
    norms = _norms(spec, shape, hardware, _NORM_TRAVERSALS_FORWARD)
    work = operations / _rate(spec, hardware) + moved + norms
    starting = _starting(shape, spec.method, hardware) * _FORWARD_SHARE
    return passes * (max(work, starting) if hardware.on_gpu else work + starting)


def _answers(spec: RunSpec, shape: ModelShape, hardware: Hardware, load: Load) -> float:
    """Token by token, each of which reads all weights; rows with virtual tokens in front are answered one by one."""
    prompts = spec.evaluation.sample_prompts
    if not prompts:
        return 0.0
    speed = _GPU if hardware.on_gpu else _CPU
    one_by_one = prompts if virtual_tokens(spec.method) else 1
    # Answered together, all wait for the longest.
    usual = load.answer_tokens / (_LONGER_ANSWERS if one_by_one > 1 else 1.0)
    tokens = min(spec.evaluation.sample_tokens, usual)
    read = shape.parameters * _bytes_of_a_number(spec, hardware) / _bandwidth(hardware)
    starting = shape.layers * speed.token + _adapted_linears(shape, spec.method) * speed.token_adapted
    work = _operations(shape, _undropped(spec.method), prompts // one_by_one, 1, 1.0, False, True) / _rate(
        spec, hardware
    )
    return one_by_one * tokens * (read + starting + work + _norms(spec, shape, hardware, _NORM_TRAVERSALS_FORWARD))


def _rate(spec: RunSpec, hardware: Hardware) -> float:
    """Operations a second that products reach in the run's arithmetic."""
    speed = _GPU if hardware.on_gpu else _CPU
    rate = hardware.bf16_flops * speed.products
    if hardware.computes_in_bfloat16(spec.hyperparameters.precision):
        rate /= 1.0 if hardware.native_bf16 else _EMULATED[hardware.kind]
    elif hardware.on_gpu:
        # Without tensor cores: an eighth to a sixteenth of the bfloat16 rate.
        rate /= 10
    if isinstance(spec.method, OverAnyBase) and spec.method.base_bits == 8:
        rate /= _EIGHT_BIT[hardware.kind]
    return rate


def _moved(spec: RunSpec, shape: ModelShape, hardware: Hardware, positions: float) -> float:
    """Bytes of a pass beside the products: values between them, and frozen weights on their way out of 4 or 8 bits."""
    size = _bytes_of_a_number(spec, hardware)
    values = _ELEMENTWISE * (shape.hidden + shape.intermediate) * shape.layers
    if isinstance(spec.method, LowRank):
        values += _TRAVERSALS * _adapted_width(shape, spec.method)
    moved = values * size * positions
    bits = spec.method.base_bits if isinstance(spec.method, OverAnyBase) else 16
    # Read packed, written whole, read whole: once forward and once back.
    return moved + (2 * shape.linear_weights * (bits / 8 + 2 * size) if bits < 16 else 0)


def _starting(shape: ModelShape, method: Method, hardware: Hardware) -> float:
    speed = _GPU if hardware.on_gpu else _CPU
    return shape.layers * speed.layer + _adapted_linears(shape, method) * speed.adapted


def _norms(spec: RunSpec, shape: ModelShape, hardware: Hardware, times: int) -> float:
    """Seconds to move all weights so many times for DoRA's norms."""
    if not isinstance(spec.method, DoRA):
        return 0.0
    return times * shape.linear_weights * _bytes_of_a_number(spec, hardware) / _bandwidth(hardware)


def _undropped(method: Method) -> Method:
    """Nothing is dropped while evaluating, which spares DoRA a product."""
    return method.model_copy(update={"dropout": 0.0}) if isinstance(method, LowRank) else method


def _bytes_of_a_number(spec: RunSpec, hardware: Hardware) -> int:
    return 2 if hardware.computes_in_bfloat16(spec.hyperparameters.precision) else 4


def _bandwidth(hardware: Hardware) -> float:
    return hardware.bytes_per_second * (_GPU if hardware.on_gpu else _CPU).traffic


@lru_cache(maxsize=512)
def _operations(
    shape: ModelShape, method: Method, batch: int, tokens: int, learned: float, again: bool, forward_only: bool
) -> float:
    """Of one pass, with logits only where something is learned; `again` computes the layers twice."""
    counted = counted_flops(shape, method, batch=batch, tokens=tokens)
    head = 2 * batch * tokens * shape.head_weights
    if forward_only:
        return counted.forward - head * (1 - learned)
    times = 3 if method.artifact == "model" else 2
    return counted.total - head * times * (1 - learned) + (counted.forward - head if again else 0)


@lru_cache(maxsize=512)
def _adapted_linears(shape: ModelShape, method: Method) -> int:
    """How many linears carry LoRA; IA3 only scales, which is nearly free."""
    return sum(len(names) for names in adapted(shape, method).layers) if isinstance(method, LowRank) else 0


@lru_cache(maxsize=512)
def _adapted_width(shape: ModelShape, method: Method) -> int:
    """Numbers that go into and out of all linears that carry LoRA, for one token."""
    where = adapted(shape, method)
    return sum(
        linear.inputs + linear.outputs for names in where.layers for linear in shape.linears if linear.name in names
    )
