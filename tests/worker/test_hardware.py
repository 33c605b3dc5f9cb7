"""What is known of the machine."""

import os

import torch

from worker.hardware import available_cores, choose_hardware, peak_memory_bytes, versions


def test_the_cores_that_may_be_used_are_counted() -> None:
    assert available_cores() == len(os.sched_getaffinity(0))


def test_memory_and_versions_are_told() -> None:
    assert peak_memory_bytes(choose_hardware("auto", None)) > 10e6
    assert {"python", "torch", "transformers", "peft", "trl", "bitsandbytes"} <= set(versions())


def test_bfloat16_is_taken_when_asked_for() -> None:
    assert choose_hardware("bfloat16", None).compute is torch.bfloat16
    assert choose_hardware("float32", None).compute is torch.float32
