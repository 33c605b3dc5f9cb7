"""Says in one sentence why a trainer gave up."""

import errno
import re

import torch

from studio.errors import InvalidInput, StorageFull
from studio.runs.events import Failed
from studio.runs.status import FAILURE_WORDS, FailureKind, Phase
from worker.finite import NonFinite
from worker.prepared import OtherData
from worker.reloading import NotReloaded

_BY_PHASE: dict[str, FailureKind] = {"loading_model": "model_load", "preparing_data": "bad_data"}
_WHILE: dict[str, str] = {
    "loading_model": "while the base model was loaded",
    "training": "while training",
    "evaluating": "while the validation loss was measured",
    "exporting": "while the adapter was saved",
}
# A limit on the size of files ends a write as a full disk does.
_NO_ROOM = {errno.ENOSPC: "No space left on device", errno.EDQUOT: "Disk quota exceeded", errno.EFBIG: "File too large"}
_REQUESTED = re.compile(r"Tried to allocate ([\d.]+ [KMGT]?i?B)")
_FREE = re.compile(r"of which ([\d.]+ [KMGT]?i?B) is free")


def failure(error: Exception, phase: Phase) -> Failed:
    """Map an exception to its kind and a sentence; what is unknown is told by its type, the rest is in the log."""
    if isinstance(error, NonFinite):
        return Failed(kind="non_finite", reason=error.message)
    if isinstance(error, torch.OutOfMemoryError):
        return Failed(kind="oom_gpu", reason=_gpu_memory(error, phase))
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return _known("oom_host")
    if isinstance(error, StorageFull) or _disk_is_full(error):
        return _known("disk_full")
    if isinstance(error, NotReloaded):
        return Failed(kind="internal", reason=error.message)
    if isinstance(error, OtherData):
        return Failed(kind="bad_data", reason=error.message)
    if isinstance(error, InvalidInput) and phase in _BY_PHASE:
        return Failed(kind=_BY_PHASE[phase], reason=error.message)
    return Failed(
        kind="internal",
        reason=f"Something failed inside the trainer: {type(error).__name__}. Read the log; run again if it looks "
        "like an accident.",
    )


def _gpu_memory(error: torch.OutOfMemoryError, phase: Phase) -> str:
    """When it happened, and how much was asked for and free as far as torch says; a note on the error says more."""
    when = " ".join([_WHILE.get(phase, ""), *getattr(error, "__notes__", [])]).strip()
    requested, free = _REQUESTED.search(str(error)), _FREE.search(str(error))
    amounts = [f"{requested[1]} more were asked for" if requested else "", f"{free[1]} were free" if free else ""]
    told = " and ".join(filter(None, amounts))
    return f"The GPU ran out of memory {when}".rstrip() + (f": {told}." if told else ".")


def _known(kind: FailureKind) -> Failed:
    return Failed(kind=kind, reason=FAILURE_WORDS[kind][0])


def _disk_is_full(error: BaseException) -> bool:
    """safetensors reports the operating system's error as text."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return True
    return any(words in str(error) for words in _NO_ROOM.values())
