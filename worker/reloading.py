"""Tries whether a checkpoint gives the model back: its files, a fresh model with its weights, and the same numbers."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.nn import Linear8bitLt
from safetensors.torch import load_file
from torch import nn

from studio.errors import StudioError
from studio.runs import verify_folder
from worker.assemble import Attempt
from worker.checkpoint import OPTIMIZER_FILE, WEIGHTS_FILE, load_weights
from worker.hardware import Hardware
from worker.model import Loaded, load_model
from worker.packing import unpack
from worker.state import State

# Positions whose logits are compared: of a long row and a large vocabulary all of them would take gigabytes.
_POSITIONS = 64
# By how much logits may differ, as a share of the largest one: the same products in float32 differ by 1e-6, in
# bfloat16 by up to 2^-8 each.
_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.05}


class NotReloaded(StudioError):
    """A checkpoint does not give back the model that it was written of."""

    code = "not_reloaded"


@dataclass(frozen=True, slots=True)
class Probe:
    """What a model says to one row: its last logits (T, V) on the CPU, in float32."""

    logits: torch.Tensor


def probe(model: Any, input_ids: Sequence[int], hardware: Hardware) -> Probe:
    """Ask a model, in the arithmetic that a run evaluates in."""
    device = next(model.parameters()).device
    ids = torch.tensor([list(input_ids)], device=device)
    mixed = hardware.compute is torch.bfloat16
    model.eval()
    with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed):
        output = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, logits_to_keep=_POSITIONS)
    return Probe(output.logits[0].float().cpu())


def reload(attempt: Attempt, checkpoint: Path, manifest_sha256: str) -> Loaded:
    """A fresh model with the weights of a checkpoint, every file of which was read; raises NotReloaded."""
    assignment = attempt.assignment
    try:
        verify_folder(checkpoint, manifest_sha256, check=attempt.pause)
        state = State.read(checkpoint)
        unpack(state.optimizer, load_file(checkpoint / OPTIMIZER_FILE))
        loaded = load_model(assignment.base_model_folder, assignment.spec, attempt.hardware, attempt.start)
        load_weights(loaded.model, checkpoint / WEIGHTS_FILE)
    except torch.OutOfMemoryError:
        raise
    except (StudioError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise NotReloaded(f"The checkpoint cannot be loaded again: {error}"[:400]) from error
    return loaded


def compare(before: Probe, after: Probe, hardware: Hardware) -> float:
    """The largest difference as a share of the largest logit; raises NotReloaded where it is no rounding."""
    largest = float(before.logits.abs().max())
    difference = float((before.logits - after.logits).abs().max()) / max(largest, 1e-6)
    if not difference <= _TOLERANCE[hardware.compute_name]:
        raise NotReloaded(
            f"The checkpoint was loaded again, and the model then says something else: its numbers differ by up to "
            f"{difference:.1%}. An adapter made of this run could not be trusted."
        )
    return difference


def give_memory_back(model: nn.Module, optimizer: Any) -> None:
    """Empty a model and its optimizer, whoever still refers to them: two models at once might not fit."""
    optimizer.state.clear()
    for module in model.modules():
        if isinstance(module, Linear8bitLt):
            module.weight.CB = module.state.CB = None
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.grad = None
        tensor.data = torch.empty(0, dtype=tensor.dtype)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
