"""What this machine offers a trainer: device, number format, threads, memory; and the versions it runs."""

import os
import platform
import resource
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

import torch

PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "tokenizers", "safetensors")
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where and in which arithmetic a run trains; `compute` is the number format of its matrix products."""

    device: Literal["cpu", "cuda"]
    device_name: str
    compute: torch.dtype
    threads: int

    @property
    def on_gpu(self) -> bool:
        """Whether there is a CUDA device."""
        return self.device == "cuda"

    @property
    def compute_name(self) -> str:
        """`float32` or `bfloat16`."""
        return str(self.compute).removeprefix("torch.")


def choose_hardware(precision: Precision, gpu: str | None) -> Hardware:
    """Settle device and arithmetic, and use every core that this process may use.

    `gpu` is what CUDA_VISIBLE_DEVICES shall hold, so it must come before anything touches CUDA.
    """
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    threads = available_cores()
    torch.set_num_threads(threads)
    on_gpu = torch.cuda.is_available()
    return Hardware(
        device="cuda" if on_gpu else "cpu",
        device_name=torch.cuda.get_device_name(0) if on_gpu else platform.processor() or platform.machine(),
        compute=_compute_dtype(precision, on_gpu),
        threads=threads,
    )


def available_cores() -> int:
    """Cores that this process may run on; a container often allows fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_bytes(hardware: Hardware) -> float:
    """The most memory so far: allocated on the GPU, or resident of this process."""
    if hardware.on_gpu:
        return float(torch.cuda.max_memory_allocated())
    # Linux counts ru_maxrss in KiB, macOS in bytes.
    unit = 1 if platform.system() == "Darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide what a run computes."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _compute_dtype(precision: Precision, on_gpu: bool) -> torch.dtype:
    """bfloat16 on a CPU without AMX takes 3 to 9 times as long as float32, so `auto` never picks it there."""
    if precision == "auto":
        return torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
