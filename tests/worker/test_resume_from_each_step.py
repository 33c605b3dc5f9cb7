"""Every checkpoint of a run leads to the same end, also between two logs, and over rows that fill no batch evenly."""

from pathlib import Path
from typing import Any

import pytest

import worker.trainer
from worker import train

from .conftest import Assign, read_events, values_of

pytestmark = pytest.mark.training

STEPS = 8
FULL = {"method": {"kind": "full"}, "hyperparameters": {"learning_rate": 1e-3, "weight_decay": 0.1}}
CHECKPOINTED = {"method": {"kind": "dora"}, "hyperparameters": {"gradient_checkpointing": True}}


@pytest.mark.parametrize("parts", [FULL, CHECKPOINTED], ids=["full", "dora-checkpointing"])
def test_every_checkpoint_leads_to_the_same_archive(
    parts: dict[str, Any], assign: Assign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A log at every third step, as runs of more than 20,000 steps have.
    monkeypatch.setattr(worker.trainer, "MAX_LOGGED_STEPS", 3)
    settings = {"max_steps": STEPS, "batch_size": 3, "scheduler": "linear", **parts["hyperparameters"]}
    assignment = assign(method=parts["method"], hyperparameters=settings, evaluation={"every_steps": 5})
    first = tmp_path / "attempt-1"
    assignment = assignment.model_copy(update={"checkpoint_steps": 1})
    assignment.write(first)
    assert train.main(first) == 0
    expected = read_events(first)

    for step in range(1, STEPS + 1):
        folder = tmp_path / f"attempt-{step + 1}"
        folder.mkdir()
        checkpoint = first / "checkpoints" / f"step-{step:08d}"
        assignment.model_copy(update={"checkpoint": checkpoint}).write(folder)

        assert train.main(folder) == 0

        found = read_events(folder)
        assert found[-1] == expected[-1]
        behind = [point for point in values_of(expected, "train/loss") if point[0] > step]
        assert values_of(found, "train/loss") == behind
