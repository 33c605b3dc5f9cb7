"""Whether a GPU can be used: another holder, one that fell off the bus, and machines that have none."""

import uuid
from typing import Any

import pytest

from worker.gpu import device_name, why_not
from worker.gpu_lock import hold_gpu


class NVMLError(Exception):
    """As pynvml's."""


class Nvml:
    """Stands in for pynvml on a machine with two GPUs, of which some are broken."""

    NVMLError = NVMLError

    def __init__(self, *, lost: tuple[int, ...] = (), has_driver: bool = True) -> None:
        self._lost = lost
        self._has_driver = has_driver
        self.opened = 0

    def nvmlInit(self) -> None:
        if not self._has_driver:
            raise NVMLError("Driver Not Loaded")
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self.opened -= 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index > 1:
            raise NVMLError("Invalid Argument")
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes) -> int:
        return {b"GPU-0": 0, b"GPU-1": 1}[uuid]

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        if handle in self._lost:
            raise NVMLError("GPU is lost")

    def nvmlDeviceGetName(self, handle: int) -> str:
        return f"NVIDIA X{handle}"


@pytest.mark.parametrize(
    ("gpu", "nvml", "problem"),
    [
        (None, Nvml(lost=(0, 1)), ""),
        ("0", Nvml(lost=(1,)), ""),
        ("1", Nvml(lost=(1,)), "GPU 1 does not answer (GPU is lost)."),
        ("0,1", Nvml(lost=(1,)), "GPU 1 does not answer (GPU is lost)."),
        ("GPU-1", Nvml(lost=(1,)), "GPU GPU-1 does not answer (GPU is lost)."),
        ("7", Nvml(), "GPU 7 does not answer (Invalid Argument)."),
        ("0", Nvml(has_driver=False), ""),
    ],
)
def test_a_gpu_that_does_not_answer_is_not_used(gpu: str | None, nvml: Nvml, problem: str) -> None:
    assert why_not(gpu, nvml).startswith(problem)
    assert bool(why_not(gpu, nvml)) == bool(problem)
    assert nvml.opened == 0


def test_a_gpu_that_another_trainer_holds_is_not_used() -> None:
    gpu = f"held-{uuid.uuid4().hex[:8]}"

    with hold_gpu(gpu):
        held = why_not(gpu, Nvml(has_driver=False))

    assert held == f"Another trainer holds GPU {gpu}; give this worker a GPU of its own."
    assert why_not(gpu, Nvml(has_driver=False)) == ""


def test_gpus_are_shown_by_their_names() -> None:
    assert device_name("0,1", Nvml()) == "NVIDIA X0, NVIDIA X1"
    assert device_name("0", Nvml(has_driver=False)) == ""
    assert device_name(None, Nvml()) == ""
