"""The deadline of an attempt: its cap, and what its closing is likely to take before anything was measured."""

import time

from torch import nn

from studio.budget.deadline import Deadline
from worker.assignment import Assignment
from worker.hardware import Hardware
from worker.model import trained

# Of a checkpoint: the weights, the best ones, and the two moments of Adam.
_COPIES_IN_CHECKPOINT = 4
# From the archive until the supervisor has stored it; a process that holds a GPU takes longer to go. On two CPU cores
# 0.18 s were measured.
_LEAVING_SECONDS = {"cpu": 0.2, "cuda": 2.0}
_TOKENIZER_FILE = "tokenizer.json"


def deadline_of(assignment: Assignment, model: nn.Module, hardware: Hardware) -> Deadline | None:
    """None without a cap."""
    if assignment.cap is None:
        return None
    held_since = time.monotonic() if assignment.held_since is None else assignment.held_since
    trained_bytes = sum(weight.numel() * weight.element_size() for weight in trained(model).values())
    return Deadline(
        ends_at=held_since + assignment.cap.seconds,
        checkpoint_bytes=_COPIES_IN_CHECKPOINT * trained_bytes,
        export_bytes=_exported_bytes(assignment, model, trained_bytes),
        leaving_seconds=_LEAVING_SECONDS[hardware.device],
    )


def _exported_bytes(assignment: Assignment, model: nn.Module, trained_bytes: int) -> int:
    tokenizer = assignment.base_model_folder / _TOKENIZER_FILE
    beside = tokenizer.stat().st_size if tokenizer.is_file() else 0
    if assignment.spec.method.artifact == "adapter":
        return trained_bytes + beside
    return sum(weight.numel() * weight.element_size() for weight in model.parameters()) + beside
