"""Tries the longest batch before the first step: what does not fit shall not fail after an hour."""

import logging
from typing import Any

import torch
from torch import nn

from worker.losses import TokenLosses
from worker.model import trained

log = logging.getLogger(__name__)

# Two moments: of float32 each, or of 8 bits with their scales, 4 bytes for 256 numbers.
BYTES_PER_WEIGHT = {"adamw": 8.0, "adamw_8bit": 2.04, "paged_adamw_8bit": 0.0}


def preflight(model: nn.Module, losses: Any, batch: dict[str, torch.Tensor], *, bytes_per_weight: float) -> None:
    """One pass forward and back beside room for the optimizer's state; gradients are dropped, no weight moves.

    A part of the model without a deterministic algorithm shows here too: then any algorithm may be used.
    """
    weights = list(trained(model).values())
    device = weights[0].device
    size = int(sum(weight.numel() for weight in weights) * bytes_per_weight)
    batch = {name: tensor.to(device) for name, tensor in batch.items()}
    model.train()
    try:
        room = torch.empty(size, dtype=torch.uint8, device=device)
        _pass(model, losses, batch)
        del room
    except torch.OutOfMemoryError as error:
        error.add_note("with the longest batch, before the first step")
        raise
    except RuntimeError as error:
        if "deterministic" not in str(error) or not torch.are_deterministic_algorithms_enabled():
            raise
        log.warning("No deterministic algorithm: %s", error)
        torch.use_deterministic_algorithms(False)
        model.zero_grad(set_to_none=True)
        _pass(model, losses, batch)
    finally:
        model.zero_grad(set_to_none=True)


def _pass(model: nn.Module, losses: Any, batch: dict[str, torch.Tensor]) -> None:
    found: TokenLosses = losses(model, batch)
    found.loss.backward()  # type: ignore[no-untyped-call]
