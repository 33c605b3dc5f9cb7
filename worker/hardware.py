"""What this machine offers a trainer: device, number format, threads, memory; and the versions it runs."""

import os
import platform
import resource
import time
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
    """Settle device and arithmetic.

    `gpu` is what CUDA_VISIBLE_DEVICES shall hold, so it must come before anything touches CUDA.
    """
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    on_gpu = torch.cuda.is_available()
    return Hardware(
        device="cuda" if on_gpu else "cpu",
        device_name=torch.cuda.get_device_name(0) if on_gpu else platform.processor() or platform.machine(),
        compute=_compute_dtype(precision, on_gpu),
        threads=available_cores(),
    )


def available_cores() -> int:
    """Cores that this process may run on; a container often allows fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Threads:
    """Keeps the number of threads at what the machine gives right now.

    The threads of one matrix product wait for each other. When another program takes a core, they wait for the
    scheduler at every product: on two busy cores a step then took 13 s with two threads and 0.6 s with one, while
    two take 0.45 s on the idle machine. The numbers that come out do not depend on the count.
    """

    # Share of the time of all threads that the processor really worked: 0.7 and more when idle, 0.1 to 0.3 when the
    # threads wait for a core.
    STARVED = 0.4
    WATCH_SECONDS = 0.25
    FIRST_RETRY_SECONDS = 10.0

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._retry_seconds = self.FIRST_RETRY_SECONDS
        self._retry_at = 0.0
        self._set(cores)

    def watch(self, *, busy: int | None = None) -> None:
        """Halve the threads when they starve, and try all again after a while; to be called after each pass.

        `busy` is how many threads had work since the last call, where that was not all of them.
        """
        now, worked = time.monotonic(), time.process_time()
        seconds = now - self._watched
        if self._cores == 1 or seconds < self.WATCH_SECONDS:
            return
        if self.count > 1 and (worked - self._worked) / (seconds * (busy or self.count)) < self.STARVED:
            self._retry_at = now + self._retry_seconds
            self._retry_seconds *= 2
            self._set(self.count // 2)
        elif self.count < self._cores and now > self._retry_at:
            self._set(self._cores)
        self._watched, self._worked = now, worked

    def _set(self, count: int) -> None:
        self.count = count
        torch.set_num_threads(count)
        self._watched, self._worked = time.monotonic(), time.process_time()


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
