"""One trainer per GPU: a lock that the kernel drops with its holder, however that ends."""

import contextlib
import fcntl
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from studio.errors import Conflict

WAIT_SECONDS = 10.0
_LOOK_SECONDS = 0.1


class GpuBusy(Conflict):
    """Another process holds the GPU."""

    code = "gpu_busy"


@contextlib.contextmanager
def hold_gpu(gpu: str | None, *, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the GPUs that `gpu` names (as CUDA_VISIBLE_DEVICES does); raises GpuBusy when a holder stays.

    The former trainer of this GPU may still be dying, which is what the wait is for.
    """
    names = sorted({name.strip() for name in (gpu or "").split(",") if name.strip()})
    with contextlib.ExitStack() as held:
        deadline = time.monotonic() + wait_seconds
        for name in names:
            descriptor = _open(lock_path(name))
            held.callback(os.close, descriptor)
            _lock(descriptor, name, deadline)
        yield


def lock_path(name: str) -> Path:
    """The lock file of one GPU; the same for every user and every data folder of the machine."""
    return Path(tempfile.gettempdir()) / f"tunewright-gpu-{re.sub(r'[^A-Za-z0-9-]', '_', name)}.lock"


def _open(path: Path) -> int:
    """Open it, made if it is not there; no link and no pipe that somebody else has put into the shared folder.

    First without O_CREAT, which Linux refuses for a foreign file in a sticky folder (fs.protected_regular).
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, 0o666)
        with contextlib.suppress(PermissionError):
            os.fchmod(descriptor, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise GpuBusy(f"{path} is not a plain file, so the GPU cannot be locked; remove it.")
    return descriptor


def _lock(descriptor: int, name: str, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise GpuBusy(f"Another trainer holds GPU {name}; give this worker a GPU of its own.") from error
            time.sleep(_LOOK_SECONDS)
