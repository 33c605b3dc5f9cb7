"""What is known of the machine."""

import os

import torch

from worker.hardware import Threads, available_cores, choose_hardware, peak_memory_bytes, versions


def test_the_cores_that_may_be_used_are_counted() -> None:
    assert available_cores() == len(os.sched_getaffinity(0))


def test_memory_and_versions_are_told() -> None:
    assert peak_memory_bytes(choose_hardware("auto", None)) > 10e6
    assert {"python", "torch", "transformers", "peft", "trl", "bitsandbytes"} <= set(versions())


def test_bfloat16_is_taken_when_asked_for() -> None:
    assert choose_hardware("bfloat16", None).compute is torch.bfloat16
    assert choose_hardware("float32", None).compute is torch.float32


def test_threads_that_starve_are_halved_and_tried_again_when_settled() -> None:
    before = torch.get_num_threads()
    threads = Threads(4)

    threads._watched -= 100
    threads.watch()
    wanted, unsettled = threads.wanted, threads.count
    threads.settle()
    lowered = threads.count
    threads._retry_at = 0.0
    threads._watched -= 100
    threads._worked -= 190
    threads.watch()
    threads.settle()

    assert (wanted, unsettled, lowered, threads.count) == (2, 4, 2, 4)
    torch.set_num_threads(before)


def test_a_run_goes_on_with_the_threads_that_it_had() -> None:
    before = torch.get_num_threads()

    threads = Threads(1, 3)

    assert (threads.count, torch.get_num_threads()) == (3, 3)
    torch.set_num_threads(before)


def test_threads_that_work_stay() -> None:
    before = torch.get_num_threads()
    threads = Threads(2)

    threads._watched -= 100
    threads._worked -= 180
    threads.watch()

    assert threads.wanted == 2
    torch.set_num_threads(before)
