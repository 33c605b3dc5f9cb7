"""Says in one sentence why a trainer gave up."""

import errno

import torch

from studio.errors import InvalidInput, StorageFull
from studio.runs.events import Failed
from studio.runs.status import FAILURE_WORDS, FailureKind, Phase
from worker.finite import NonFinite
from worker.prepared import OtherData

_BY_PHASE: dict[str, FailureKind] = {"loading_model": "model_load", "preparing_data": "bad_data"}


def failure(error: Exception, phase: Phase) -> Failed:
    """Map an exception to its kind and a sentence; what is unknown is told by its type, the rest is in the log."""
    if isinstance(error, NonFinite):
        return Failed(kind="non_finite", reason=error.message)
    if isinstance(error, torch.OutOfMemoryError):
        return _known("oom_gpu")
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return _known("oom_host")
    if isinstance(error, StorageFull) or _disk_is_full(error):
        return _known("disk_full")
    if isinstance(error, OtherData):
        return Failed(kind="bad_data", reason=error.message)
    if isinstance(error, InvalidInput) and phase in _BY_PHASE:
        return Failed(kind=_BY_PHASE[phase], reason=error.message)
    return Failed(
        kind="internal",
        reason=f"Something failed inside the trainer: {type(error).__name__}. Read the log; run again if it looks "
        "like an accident.",
    )


def _known(kind: FailureKind) -> Failed:
    return Failed(kind=kind, reason=" ".join(FAILURE_WORDS[kind]))


def _disk_is_full(error: BaseException) -> bool:
    """safetensors reports the operating system's error as text."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return True
    return "No space left on device" in str(error) or "Disk quota exceeded" in str(error)
