"""Whether this worker's GPU can be used now, asked of NVIDIA's management library where it is installed."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from worker.gpu_lock import GpuBusy, hold_gpu

# What this worker's last trainer had started may hold the lock until the kernel is through with it.
DYING_SECONDS = 1.0


def why_not(gpu: str | None, nvml: Any = None) -> str:
    """The sentence for why nothing can be trained on `gpu` now; empty when it can. `nvml` stands in for pynvml."""
    if gpu is None:
        return ""
    problem = _ask(gpu, nvml)[1]
    if problem:
        return problem
    try:
        with hold_gpu(gpu, wait_seconds=DYING_SECONDS):
            return ""
    except GpuBusy as busy:
        return busy.message


def device_name(gpu: str | None, nvml: Any = None) -> str:
    """What the GPU is called; empty without one, or without the library."""
    return _ask(gpu, nvml)[0] if gpu is not None else ""


def memory_bytes(gpu: str | None, nvml: Any = None) -> int | None:
    """The memory of the (first) GPU; None without one, or without the library."""
    nvml = nvml or _library()
    if gpu is None or nvml is None:
        return None
    with _initialised(nvml) as is_there:
        if not is_there:
            return None
        try:
            return int(nvml.nvmlDeviceGetMemoryInfo(_handle(nvml, gpu.split(",")[0].strip())).total)
        except nvml.NVMLError:
            return None


def _ask(gpu: str, nvml: Any) -> tuple[str, str]:
    """Names and a problem. A machine without driver or library has nothing to say: the trainer will."""
    nvml = nvml or _library()
    if nvml is None:
        return "", ""
    names = []
    with _initialised(nvml) as is_there:
        if not is_there:
            return "", ""
        for name in (part.strip() for part in gpu.split(",")):
            try:
                handle = _handle(nvml, name)
                # A GPU that fell off the bus still has a handle; its memory cannot be asked.
                nvml.nvmlDeviceGetMemoryInfo(handle)
                names.append(str(nvml.nvmlDeviceGetName(handle)))
            except nvml.NVMLError as error:
                return (
                    "",
                    f"GPU {name} does not answer ({error}). Reset it or restart the machine; nothing starts here.",
                )
    return ", ".join(names)[:120], ""


def _handle(nvml: Any, name: str) -> Any:
    """Of a device by its index or its UUID."""
    return (
        nvml.nvmlDeviceGetHandleByIndex(int(name))
        if name.isdecimal()
        else nvml.nvmlDeviceGetHandleByUUID(name.encode())
    )


@contextlib.contextmanager
def _initialised(nvml: Any) -> Iterator[bool]:
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        nvml.nvmlShutdown()


def _library() -> Any:
    try:
        return importlib.import_module("pynvml")
    except ImportError:
        return None
