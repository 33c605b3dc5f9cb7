"""Forty random kills in each of six configurations: whatever is hit, the run ends with the same bits."""

import json
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.forking import STACK, preloaded
from tests.worker.conftest import Assign
from tests.worker.resuming import LittleStudio, Shown
from worker.assignment import Assignment
from worker.start import Forkserver

pytestmark = [pytest.mark.faults, pytest.mark.training]

KILLS = 40
AT_ONCE = 2
STEPS = {"max_steps": 21, "scheduler": "cosine", "warmup_fraction": 0.1, "batch_size": 2}
# Calls, and how many of them an undisturbed run makes at least.
IN_WRITING = (("fsync", 60), ("link", 12), ("rename", 7))
IN_A_STEP = (("pass", 21), ("line", 28))
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "lora": {"method": {"kind": "lora", "dropout": 0.1}},
    "qlora": {"method": {"kind": "qlora", "dropout": 0.1}},
    "full": {"method": {"kind": "full"}, "hyperparameters": {"learning_rate": 1e-3, "weight_decay": 0.01}},
    "prompt_tuning": {"method": {"kind": "prompt_tuning", "virtual_tokens": 8}},
    "accumulation": {
        "method": {"kind": "lora", "dropout": 0.1},
        "hyperparameters": {"gradient_accumulation_steps": 3, "neftune_noise_alpha": 5.0},
    },
    "evaluate_every_7": {"method": {"kind": "lora", "dropout": 0.1}, "evaluation": {"every_steps": 7}},
}


@pytest.fixture(scope="module")
def forkserver(tmp_path_factory: pytest.TempPathFactory) -> Forkserver:
    return preloaded(STACK, tmp_path_factory.mktemp("logs"))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_whatever_instant_is_hit_the_bits_are_the_same(
    name: str, forkserver: Forkserver, assign: Assign, tmp_path: Path
) -> None:
    assignment = make_assignment(assign, name)
    began = time.monotonic()
    alone = LittleStudio(forkserver, assignment, tmp_path / "alone").run([])
    seconds = time.monotonic() - began

    def one(number: int) -> tuple[Shown, list[int]]:
        studio = LittleStudio(forkserver, assignment, tmp_path / f"killed-{number}")
        return kill_and_finish(studio, random.Random(f"{name} {number}"), seconds, number)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(one, range(KILLS)))

    equal = sum(is_same(shown, alone) for shown, _ in found)
    resumed_at = Counter(step for _, steps in found for step in steps)
    figures = {
        "configuration": name,
        "equal": equal,
        "of": KILLS,
        "kills": resumed_at.total(),
        "resumed_at": dict(sorted(resumed_at.items())),
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(figures))
    assert equal == KILLS
    assert len(resumed_at) >= 5


def make_assignment(assign: Assign, name: str) -> Assignment:
    parts = CONFIGURATIONS[name]
    made = assign(
        method=parts["method"],
        hyperparameters={**STEPS, **parts.get("hyperparameters", {})},
        evaluation={"every_steps": 10, **parts.get("evaluation", {})},
    )
    return made.model_copy(update={"checkpoint_steps": 3})


def kill_and_finish(
    studio: LittleStudio, chosen: random.Random, seconds: float, number: int
) -> tuple[Shown, list[int]]:
    """One kill, or two of every fourth; then an attempt that is let through. Returns too where each went on.

    A third of the runs are hit within the writing of a checkpoint, a third in a step, a third at any instant.
    """
    went_on: list[int] = []
    while len(went_on) < (2 if number % 4 == 3 else 1):
        if number % 3 == 2:
            code = studio.attempt(kill_after=chosen.uniform(0.1 * seconds, 0.95 * seconds))
        else:
            place, calls = chosen.choice(IN_WRITING if number % 3 else IN_A_STEP)
            code = studio.attempt(hit=f"{place} {chosen.randrange(calls)} SIGKILL")
        if code == 0:
            # It was quicker than the kill: that run is over, and another one takes its place.
            seconds *= 0.8
            went_on = []
            studio.begin_again()
            continue
        assert code == -signal.SIGKILL, studio.log()
        went_on.append(studio.committed.step if studio.committed else 0)
    return studio.run([]), went_on


def is_same(found: Shown, alone: Shown) -> bool:
    return (
        found.hex() == alone.hex()
        and found.metrics == alone.metrics
        and found.adapter_sha256 == alone.adapter_sha256
        and found.archive_sha256 == alone.archive_sha256
        and found.answers == alone.answers
    )
