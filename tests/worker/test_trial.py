"""A trial run: real steps, an evaluation, a checkpoint that is loaded again, and a report without an adapter."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch

import worker.reloading
from studio.budget.capping import Cap
from studio.runs.events import Checkpointed, Exported, Failed, Resolved, Tried
from worker import train
from worker.checkpoint import load_weights
from worker.model import trained

from .conftest import ROWS, Assign, read_events, values_of

pytestmark = [pytest.mark.training]
# Lengths differ, so that the longest rows are a part of them.
LONG = [
    {
        "messages": [
            {
                "role": "user",
                "content": f"My order {number} is late." + " Where is it?" * (6 if number % 4 == 0 else 0),
            },
            {"role": "assistant", "content": '{"intent": "delivery"}'},
        ]
    }
    for number in range(24)
]


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.trial_steps.ORDINARY_SECONDS", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "attempt-1"


def try_out(assign: Assign, folder: Path, **parts: Any) -> tuple[int, list[Any]]:
    """The exit code of a trial, and what it said."""
    beside = parts.pop("beside", {})
    assign(parts.pop("rows", LONG), **parts).model_copy(update={"purpose": "trial", **beside}).write(folder)
    code = train.main(folder)
    return code, read_events(folder)


def report_of(events: list[Any]) -> dict[str, Any]:
    assert isinstance(events[-1], Tried), events[-1]
    return events[-1].report


@pytest.mark.parametrize(
    "method",
    [
        {"kind": "qlora"},
        {"kind": "full"},
        {"kind": "lora", "base_bits": 8},
        {"kind": "prompt_tuning", "virtual_tokens": 4},
    ],
    ids=lambda m: m["kind"],
)
def test_a_trial_does_all_of_a_run_once_and_leaves_nothing(
    assign: Assign, folder: Path, method: dict[str, Any]
) -> None:
    code, events = try_out(assign, folder, method=method, hyperparameters={"max_steps": 300, "batch_size": 2})

    report = report_of(events)
    assert code == 0
    assert (report["longest_steps"], report["ordinary_steps"]) == (10, 10)
    assert report["evaluated_share"] == 1.0 and report["validation_rows"] == 2
    assert report["checkpoint_bytes"] > 1000 and report["reload_seconds"] > 0 and report["generation_seconds"] > 0
    assert (report["largest_difference"], report["same_answers"], report["problems"]) == (0.0, True, [])
    assert report["peak_memory_bytes"] > 50e6 and report["memory_bytes"] > report["peak_memory_bytes"]
    assert not [event for event in events if isinstance(event, Checkpointed | Exported | Failed)]
    assert not [path for path in folder.rglob("*") if path.suffix in {".safetensors", ".zip"}]


def test_its_forecast_is_the_sum_of_what_the_full_run_does(assign: Assign, folder: Path) -> None:
    plan = {"hyperparameters": {"max_steps": 300, "batch_size": 2}, "evaluation": {"every_steps": 100}}
    _, events = try_out(assign, folder, **plan, beside={"dollars_per_hour": 3.6, "checkpoint_steps": 150})

    report = report_of(events)
    parts = report["forecast"]["parts"]
    assert report["forecast"]["seconds"] == pytest.approx(sum(parts.values()), abs=0.05)
    assert parts["training"] == pytest.approx(300 * report["step_seconds"], rel=0.5)
    assert parts["evaluating"] >= 4 * report["evaluation_seconds"] * 0.99
    assert (report["steps"], report["dollars_per_hour"]) == (300, 3.6)


def test_what_estimates_learn_from_it_is_of_ordinary_steps_alone(assign: Assign, folder: Path) -> None:
    _, events = try_out(assign, folder, hyperparameters={"max_steps": 300, "batch_size": 2})

    told = next(event.config for event in reversed(events) if isinstance(event, Resolved))
    pace = told["pace"]
    longest = max(report_of(events)["longest_tokens"], 1)
    assert pace["steps"] == 10
    assert pace["padded_tokens_per_step"] < 2 * longest
    assert set(pace["seconds_each"]) == {"validation", "answers", "checkpoint"} == set(pace["times"])
    assert 0 < told["trained_parameters"] < told["total_parameters"]
    assert told["steps"] == 300


def test_its_losses_are_shown_as_they_come(assign: Assign, folder: Path) -> None:
    _, events = try_out(assign, folder, rows=ROWS, hyperparameters={"batch_size": 2, "gradient_accumulation_steps": 2})

    losses = values_of(events, "train/loss")
    assert [step for step, _ in losses] == list(range(1, len(losses) + 1))
    assert 20 <= len(losses) <= 22
    progress = [event for event in events if event.t == "progress"]
    assert progress[-1].step == progress[-1].total_steps == len(losses)


def test_rows_without_prompts_are_tried_as_well(assign: Assign, folder: Path) -> None:
    rows = [{"text": f"Order {number} is late again."} for number in range(12)]

    code, events = try_out(assign, folder, rows=rows, data={"train_on": "everything"})

    assert code == 0
    assert report_of(events)["same_answers"]


def test_a_checkpoint_that_gives_another_model_fails_the_trial(
    assign: Assign, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _load_others(model: torch.nn.Module, path: Path) -> None:
        load_weights(model, path)
        for weight in trained(model).values():
            weight.data += 0.5

    monkeypatch.setattr(worker.reloading, "load_weights", _load_others)

    code, events = try_out(assign, folder)

    assert code == 1
    assert isinstance(events[-1], Failed)
    assert "the model then says something else" in events[-1].reason


def test_a_checkpoint_that_cannot_be_read_fails_the_trial(
    assign: Assign, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _refuse(model: torch.nn.Module, path: Path) -> None:
        raise KeyError("lora_A")

    monkeypatch.setattr(worker.reloading, "load_weights", _refuse)

    code, events = try_out(assign, folder)

    assert code == 1
    assert events[-1].reason.startswith("The checkpoint cannot be loaded again")


def test_memory_that_runs_out_in_the_evaluation_is_told(
    assign: Assign, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _run_out(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("worker.trial.validate", _run_out)

    code, events = try_out(assign, folder)

    assert (code, events[-1].kind) == (1, "oom_gpu")
    assert "while the validation loss was measured" in events[-1].reason


def test_a_cap_ends_it_with_what_was_measured(assign: Assign, folder: Path) -> None:
    beside = {"cap": Cap(by="max_hours", seconds=0.001), "held_since": time.monotonic()}

    code, events = try_out(assign, folder, beside=beside)

    report = report_of(events)
    assert code == 0
    assert report["longest_steps"] == 1
    assert "its cap was reached" in report["problems"][0]
    assert "reload_seconds" not in report
    # One step, no evaluation and no checkpoint tell nothing of the full run.
    assert "forecast" not in report
