"""What this machine offers a trainer: device, number format, threads, memory; and the versions it runs."""

import contextlib
import os
import platform
import re
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import torch

from worker.machine import available_cores

PACKAGES = ("torch", "numpy", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "tokenizers", "safetensors")
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where and in which arithmetic a run trains; `compute` is the number format of its matrix products."""

    device: Literal["cpu", "cuda"]
    device_name: str
    compute: torch.dtype
    threads: int
    driver: str = ""

    @property
    def on_gpu(self) -> bool:
        """Whether there is a CUDA device."""
        return self.device == "cuda"

    @property
    def compute_name(self) -> str:
        """`float32` or `bfloat16`."""
        return str(self.compute).removeprefix("torch.")


def choose_hardware(precision: Precision, gpu: str | None) -> Hardware:
    """Settle device and arithmetic, with algorithms that give the same bits twice wherever torch has them.

    `gpu` is what CUDA_VISIBLE_DEVICES shall hold, so it must come before anything touches CUDA; so must the size of
    cuBLAS' workspace, without which its products differ from time to time.
    """
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.use_deterministic_algorithms(True)
        # Filling memory before its first use finds mistakes of kernels; it costs time and changes no result.
        torch.utils.deterministic.fill_uninitialized_memory = False
    return Hardware(
        device="cuda" if on_gpu else "cpu",
        device_name=torch.cuda.get_device_name(0) if on_gpu else _processor_name(),
        compute=_compute_dtype(precision, on_gpu),
        threads=available_cores(),
        driver=_driver() if on_gpu else "",
    )


class Threads:
    """Keeps the number of threads at what the machine gives right now, but changes it only at a checkpoint.

    The threads of one matrix product wait for each other. When another program takes a core, they wait for the
    scheduler at every product: on two busy cores a step then took 13 s with two threads and 0.6 s with one, while
    two take 0.45 s on the idle machine. The count decides bits: the gradient of a layer norm and sums of a million
    numbers come out otherwise with two threads or four than with one (products, attention and cross-entropy do not).
    So it belongs to what a checkpoint holds, and a run that goes on from there goes on with it.
    """

    # Share of the time of all threads that the processor really worked: 0.7 and more when idle, 0.1 to 0.3 when the
    # threads wait for a core.
    STARVED = 0.4
    WATCH_SECONDS = 0.25
    FIRST_RETRY_SECONDS = 10.0

    def __init__(self, cores: int, count: int | None = None) -> None:
        """`count` is where to begin, the cores if it is not given."""
        self._cores = cores
        self._retry_seconds = self.FIRST_RETRY_SECONDS
        self._retry_at = 0.0
        self.count = self.wanted = count or cores
        self._watched = self._worked = 0.0
        self.settle()

    def watch(self, *, busy: int | None = None) -> None:
        """Want half the threads when they starve, and all of them after a while; to be called after each pass.

        `busy` is how many threads had work since the last call, where that was not all of them.
        """
        now, worked = time.monotonic(), time.process_time()
        seconds = now - self._watched
        if self._cores == 1 or seconds < self.WATCH_SECONDS or self.wanted != self.count:
            return
        if self.count > 1 and (worked - self._worked) / (seconds * (busy or self.count)) < self.STARVED:
            self._retry_at = now + self._retry_seconds
            self._retry_seconds *= 2
            self.wanted = self.count // 2
        elif self.count < self._cores and now > self._retry_at:
            self.wanted = self._cores
        self._watched, self._worked = now, worked

    def settle(self) -> None:
        """Take as many threads as are wanted."""
        self.count = self.wanted
        torch.set_num_threads(self.count)
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


@contextlib.contextmanager
def any_algorithms() -> Iterator[None]:
    """Let the body use algorithms that have no deterministic form: nothing that comes out of it is trained on."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)


def _processor_name() -> str:
    """The processor's own name where Linux tells it; `platform` knows only the architecture there."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _driver() -> str:
    """The version of NVIDIA's driver; empty where NVML is not there or does not answer."""
    try:
        import pynvml
    except ImportError:
        return ""
    try:
        pynvml.nvmlInit()
        version = str(pynvml.nvmlSystemGetDriverVersion())
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return ""
    return version


def _compute_dtype(precision: Precision, on_gpu: bool) -> torch.dtype:
    """What is computed in; `auto` takes bfloat16 only where the hardware has it.

    On a CPU without AMX it takes 3 to 9 times as long as float32. A GPU from before 2020 emulates it, which takes twice
    as long as float32 and finds no fused attention.
    """
    if precision == "auto":
        has_it = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_it else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
