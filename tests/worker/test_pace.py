"""What a trainer tells of its own pace."""

from pathlib import Path
from typing import Any

import pytest

from tests.worker.conftest import Assign, read_events
from worker import train
from worker.event_log import EventLog
from worker.leaving import Orders


def _train(assignment: Any, folder: Path) -> dict[str, Any]:
    with Orders() as orders, EventLog(folder / "events.jsonl") as events:
        train.train(assignment, folder, events, orders)
    return [event.config for event in read_events(folder) if event.t == "resolved"][-1]


@pytest.mark.training
def test_the_last_words_of_a_trainer_tell_what_each_part_took(assign: Assign, tmp_path: Path) -> None:
    assignment = assign(
        hyperparameters={"max_steps": 4, "batch_size": 2, "gradient_accumulation_steps": 2},
        evaluation={"every_steps": 2},
    )

    told = _train(assignment, tmp_path / "attempt-1")

    pace = told["pace"]
    assert pace["steps"] == 4
    assert pace["times"] == {"validation": 3, "answers": 3, "checkpoint": 1}
    assert all(seconds > 0 for seconds in pace["seconds_each"].values())
    # All rows are of the same length, so nothing is padded: two passes of two rows a step.
    assert pace["padded_tokens_per_step"] % 4 == 0
    parts = pace["seconds_each"]
    counted = 3 * pace["mean_step_seconds"] + pace["first_step_seconds"] + parts["checkpoint"]
    assert 0 < counted <= told["seconds"]["training"]
    assert told["rows"]["mean_tokens"] == told["rows"]["longest_tokens"] == pace["padded_tokens_per_step"] / 4
    assert 0 < told["rows"]["learned_share"] < 1
    assert told["peak_memory_bytes"] > 0 and told["threads_used"] == 1


@pytest.mark.training
def test_what_had_nothing_to_do_has_no_pace(assign: Assign, tmp_path: Path) -> None:
    # Text without questions gives no prompts to answer.
    rows = [{"text": f"Order {number} is late again."} for number in range(12)]
    assignment = assign(rows, data={"train_on": "everything"}, hyperparameters={"max_steps": 2, "batch_size": 2})

    pace = _train(assignment, tmp_path / "attempt-1")["pace"]

    assert set(pace["times"]) == set(pace["seconds_each"]) == {"validation", "checkpoint"}
