"""What the curves show is told with the points that show it, and told again by who goes on from them."""

from pathlib import Path

import pytest

from studio.runs.events import Alerted
from studio.runs.folders import CHECKPOINTS, checkpoint_name
from worker import train

from .conftest import Assign, read_events

pytestmark = [pytest.mark.training]


def test_a_rate_that_moves_nothing_is_told_once_and_again_after_a_break(assign: Assign, tmp_path: Path) -> None:
    first, second = tmp_path / "attempt-1", tmp_path / "attempt-2"
    second.mkdir()
    assignment = assign(
        hyperparameters={"learning_rate": 1e-9, "max_steps": 10},
        evaluation={"every_steps": 1, "sample_prompts": 0, "early_stopping": {"patience": 0}},
    ).model_copy(update={"checkpoint_steps": 6})
    assignment.write(first)

    train.main(first)
    behind = assignment.model_copy(update={"checkpoint": first / CHECKPOINTS / checkpoint_name(6)})
    behind.write(second)
    train.main(second)

    events = read_events(first)
    (alert,) = [event for event in events if isinstance(event, Alerted)]
    assert (alert.kind, alert.step, alert.facts["rate"]) == ("dead_learning_rate", 3, 1e-9)
    before = [event for event in events[: events.index(alert)] if event.t == "measured"]
    assert before[-1].step == 3 and "eval/loss" in before[-1].values
    assert [event for event in read_events(second) if isinstance(event, Alerted)] == [alert]
