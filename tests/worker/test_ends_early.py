"""Real training that ends before its last step: early stopping, also behind a kill, and the cap."""

import time
import zipfile
from pathlib import Path

import pytest

from studio.budget.capping import Cap
from studio.runs.events import Checkpointed, Exported, Noted, Stopped
from tests.forking import STACK, preloaded
from worker import train
from worker.signals import EXIT_AT_CAP
from worker.start import Forkserver

from .conftest import Assign, read_events, values_of
from .resuming import LittleStudio

pytestmark = pytest.mark.training

# No gain is ever this large, so the second validation ends the run.
EARLY = {"every_steps": 2, "early_stopping": {"patience": 1, "min_delta": 10.0, "warmup_evaluations": 0}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "attempt-1"


@pytest.fixture(scope="module")
def forkserver(tmp_path_factory: pytest.TempPathFactory) -> Forkserver:
    return preloaded(STACK, tmp_path_factory.mktemp("logs"))


def test_training_ends_early_with_its_best_weights(assign: Assign, folder: Path) -> None:
    assign(hyperparameters={"max_steps": 50}, evaluation=EARLY)

    assert train.main(folder) == 0

    events = read_events(folder)
    losses = dict(values_of(events, "eval/loss"))
    (stopped,) = (event for event in events if isinstance(event, Stopped))
    exported = events[-1]
    assert list(losses) == [0, 2, 4]
    assert (stopped.by, stopped.step, stopped.total_steps) == ("early_stopping", 4, 50)
    assert stopped.seconds_saved is not None
    assert stopped.seconds_saved > 0
    assert isinstance(exported, Exported)
    assert exported.step == min((2, 4), key=lambda step: losses[step])
    with zipfile.ZipFile(folder / exported.archive) as archive:
        card = archive.read("README.md").decode()
    assert "stopped early at step 4 of 50" in card


def test_a_run_that_is_killed_ends_early_with_the_same_bits(
    forkserver: Forkserver, assign: Assign, tmp_path: Path
) -> None:
    assignment = assign(hyperparameters={"max_steps": 50}, evaluation=EARLY)
    assignment = assignment.model_copy(update={"checkpoint_steps": 1})
    alone = LittleStudio(forkserver, assignment, tmp_path / "alone").run([])
    # The second kill comes behind the last checkpoint, so the third attempt has nothing left to train.
    studio = LittleStudio(forkserver, assignment, tmp_path / "killed")

    killed = studio.run(["rename 2", "papers 0"])

    assert killed.hex() == alone.hex()
    assert (killed.adapter_sha256, killed.archive_sha256) == (alone.adapter_sha256, alone.archive_sha256)
    assert max(step for _, step in killed.points) == 4


def test_training_ends_at_the_cap_with_an_adapter(assign: Assign, folder: Path) -> None:
    assignment = assign(
        hyperparameters={"max_steps": 100_000}, evaluation={"every_steps": 50_000}, budget={"max_hours": 0.001}
    )
    held_since = time.monotonic()
    assignment.model_copy(update={"cap": Cap(4.0, "max_hours"), "held_since": held_since}).write(folder)

    assert train.main(folder) == 0

    took = time.monotonic() - held_since
    events = read_events(folder)
    (stopped,) = (event for event in events if isinstance(event, Stopped))
    (note,) = (event for event in events if isinstance(event, Noted) and "cap" in event.message)
    assert stopped.by == "max_hours"
    assert f"step {stopped.step:,} of 100,000" in note.message
    assert [step for step, _ in values_of(events, "eval/loss")] == [0, stopped.step]
    assert isinstance(events[-1], Exported)
    assert [event.step for event in events if isinstance(event, Checkpointed)][-1] == stopped.step
    # What is left of the cap is for leaving; a busy machine may take some of it.
    assert 3.0 < took < 4.5


def test_a_cap_that_leaves_no_time_for_a_step_leaves_no_adapter(assign: Assign, folder: Path) -> None:
    assignment = assign(budget={"max_hours": 0.001})
    assignment.model_copy(update={"cap": Cap(0.1, "max_hours"), "held_since": time.monotonic()}).write(folder)

    assert train.main(folder) == EXIT_AT_CAP

    assert isinstance(read_events(folder)[-1], Stopped)
