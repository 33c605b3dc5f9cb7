"""A trainer that is killed and goes on ends with the same bits as one that was left alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from worker.start import Forkserver

from .conftest import Assign
from .resuming import LittleStudio, Shown

pytestmark = pytest.mark.training

STEPS = {"max_steps": 9, "scheduler": "cosine", "warmup_fraction": 0.2, "batch_size": 2}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "lora": {"method": {"kind": "lora", "dropout": 0.1}},
    "qlora": {"method": {"kind": "qlora", "dropout": 0.1}},
    "accumulation": {
        "method": {"kind": "lora", "dropout": 0.1},
        "hyperparameters": {"gradient_accumulation_steps": 3, "neftune_noise_alpha": 5.0},
    },
    "pissa": {"method": {"kind": "lora", "initialisation": "pissa", "rank": 8, "alpha": 8}},
}


@pytest.fixture(scope="module")
def forkserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forkserver]:
    server = Forkserver()
    server.warm_up(tmp_path_factory.mktemp("logs"))
    yield server


def studio(forkserver: Forkserver, assign: Assign, folder: Path, name: str, **changes: Any) -> LittleStudio:
    parts = CONFIGURATIONS[name]
    settings = {**STEPS, **parts.get("hyperparameters", {})}
    assignment = assign(method=parts["method"], hyperparameters=settings, evaluation={"every_steps": 4})
    return LittleStudio(forkserver, assignment.model_copy(update={"checkpoint_steps": 2, **changes}), folder)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_killed_run_ends_with_the_same_bits(
    name: str, forkserver: Forkserver, assign: Assign, tmp_path: Path
) -> None:
    alone = studio(forkserver, assign, tmp_path / "alone", name, checkpoint_steps=100).run([])

    killed = studio(forkserver, assign, tmp_path / "killed", name).run(["line 14", "rename 1", "line 6"])

    same(killed, alone)
    assert killed.attempts == 4


def same(killed: Shown, alone: Shown) -> None:
    assert killed.hex() == alone.hex()
    assert killed.metrics == alone.metrics
    assert killed.adapter_sha256 == alone.adapter_sha256
    assert killed.archive_sha256 == alone.archive_sha256
    assert killed.answers == alone.answers
    assert set(killed.notes) <= {""}
