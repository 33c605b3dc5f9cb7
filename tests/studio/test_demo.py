"""The demo's client against a real studio, and what it draws and judges. `make demo` runs the whole of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.demo import DemoFailed, Figures, judge, launch
from studio.demo_client import Client, RequestFailed, check_url
from studio.progress import Progress, describe
from tests.up import Up

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
RUN: dict[str, Any] = {
    "status": "running",
    "phase": "training",
    "phase_words": "Training",
    "step": 90,
    "total_steps": 360,
    "last_train_loss": 0.51234,
    "last_validation_loss": None,
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a studio that has no worker, so that runs wait."""
    up = Up(tmp_path_factory.mktemp("demo") / "data", "--no-worker")
    yield Client(up.url())
    up.stop()


def test_demo_dataset_is_uploaded_and_its_run_is_queued(client: Client) -> None:
    dataset = client.upload("/api/datasets", EXAMPLES / "support-tickets.jsonl")
    rows = client.get(f"/api/datasets/{dataset['id']}/rows?split=test&limit=100")["rows"]
    run = client.get(f"/api/runs/{launch(client, dataset)}")

    assert dataset["latest"]["row_count"] == 1500
    assert len(rows) == 100
    assert {row["split"] for row in rows} == {"test"}
    assert all(row["row"]["messages"][-1]["role"] == "assistant" for row in rows)
    assert (run["status"], run["method"], run["base_model"]) == ("queued", "qlora", "demo")


def test_refusals_are_told_in_the_studios_words(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text('{"messages": []}\n')

    with pytest.raises(RequestFailed, match="row 1"):
        client.upload("/api/datasets", file)
    with pytest.raises(RequestFailed, match="no such"):
        client.get("/api/runs/run_00000000000000000000000000")


def test_a_studio_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(RequestFailed, match="does not answer"):
        Client("http://127.0.0.1:1").get("/api/runs")
    with pytest.raises(RequestFailed, match="not the address of a studio"):
        check_url("file:///etc/passwd")


def test_progress_is_one_line() -> None:
    assert describe(RUN, 75) == (
        "[######------------------]  90/360 steps  training loss 0.512  validation loss -  1:15"
    )
    evaluating = describe({**RUN, "phase": "evaluating", "phase_words": "Measuring validation loss"}, 75)
    assert evaluating.endswith("  1:15  Measuring validation loss")
    waiting = {
        **RUN,
        "phase": "loading_model",
        "step": 0,
        "total_steps": 0,
        "last_train_loss": None,
        "phase_words": "Loading the base model",
    }
    assert describe(waiting, 3) == (
        "[------------------------]  Loading the base model  training loss -  validation loss -  0:03"
    )


def test_without_a_terminal_progress_is_told_at_each_new_validation_loss() -> None:
    said: list[str] = []

    with Progress(said.append) as progress:
        for step, loss in [(1, None), (2, None), (3, 0.9), (4, 0.9), (5, 0.5)]:
            progress.show({**RUN, "step": step, "last_validation_loss": loss})

    assert ["validation loss -" in line for line in said] == [True, False, False]


@pytest.mark.parametrize(("loss_after", "matches_after"), [(1.0, 90), (1.1, 90), (0.4, 3), (0.4, 2)])
def test_an_adapter_that_is_not_better_fails_the_demo(loss_after: float, matches_after: int) -> None:
    with pytest.raises(DemoFailed, match="not better"):
        judge(Figures(100.0, 1.0, loss_after, 3, matches_after, 100))


def test_figures_are_told_with_their_units() -> None:
    figures = Figures(171.4, 1.25, 0.25, 3, 88, 100)

    judge(figures)

    assert str(figures).splitlines() == [
        "Training      171 s from launch to adapter",
        "Validation    loss 1.250 -> 0.250 (80% lower)",
        "Exact match   3 -> 88 of 100 held-out rows",
    ]
