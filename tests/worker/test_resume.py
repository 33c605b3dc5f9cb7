"""A trainer that is killed and goes on ends with the same bits as one that was left alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.forking import STACK, preloaded
from worker.signals import EXIT_SAVED
from worker.start import Forkserver

from .conftest import Assign
from .resuming import LittleStudio, Shown

pytestmark = pytest.mark.training

Alone = Callable[[str], Shown]

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
def forkserver(tmp_path_factory: pytest.TempPathFactory) -> Forkserver:
    return preloaded(STACK, tmp_path_factory.mktemp("logs"))


def studio(forkserver: Forkserver, assign: Assign, folder: Path, name: str, **changes: Any) -> LittleStudio:
    parts = CONFIGURATIONS[name]
    settings = {**STEPS, **parts.get("hyperparameters", {})}
    assignment = assign(method=parts["method"], hyperparameters=settings, evaluation={"every_steps": 4})
    return LittleStudio(forkserver, assignment.model_copy(update={"checkpoint_steps": 2, **changes}), folder)


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Shown]:
    """What each configuration shows when nothing happens to it; filled as it is asked for."""
    return {}


@pytest.fixture
def alone(undisturbed: dict[str, Shown], forkserver: Forkserver, assign: Assign, tmp_path: Path) -> Alone:
    def run(name: str) -> Shown:
        if name not in undisturbed:
            undisturbed[name] = studio(forkserver, assign, tmp_path / "alone", name, checkpoint_steps=100).run([])
        return undisturbed[name]

    return run


# The others take half a minute each, and `make faults` kills 240 runs of all kinds.
LONG = {"lora", "pissa"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.faults] if name in LONG else []) for name in CONFIGURATIONS]
)
def test_a_killed_run_ends_with_the_same_bits(
    name: str, forkserver: Forkserver, assign: Assign, alone: Alone, tmp_path: Path
) -> None:
    killed = studio(forkserver, assign, tmp_path / "killed", name).run(["line 14", "rename 1", "line 6"])

    same(killed, alone(name))
    assert killed.attempts == 4


@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        ("load 0", "loading_model"),
        ("encode 0", "preparing_data"),
        ("pass 1", "training"),
        ("token 1", "evaluating"),
        ("pass 7", "training"),
        ("token 5", "evaluating"),
        ("fsync 4", "training"),
        ("papers 0", "exporting"),
    ],
    ids=["load", "tokenise", "first-step", "first-evaluation", "accumulate", "evaluate", "save", "export"],
)
def test_a_trainer_leaves_in_every_phase_and_no_step_is_lost(
    moment: str, phase: str, forkserver: Forkserver, assign: Assign, alone: Alone, tmp_path: Path
) -> None:
    run = studio(forkserver, assign, tmp_path / "left", "accumulation", checkpoint_steps=3)

    code = run.attempt(hit=f"{moment} SIGTERM")
    done = max((step for name, step in run.shown.points if name == "train/learning_rate"), default=None)
    committed, left_in = run.committed.step if run.committed else None, run.phases()[-1]
    shown = run.run([])

    assert (code, committed, left_in) == (EXIT_SAVED, done, phase)
    same(shown, alone("accumulation"))


def test_a_finished_run_exports_the_best_of_what_it_has(forkserver: Forkserver, assign: Assign, tmp_path: Path) -> None:
    run = studio(forkserver, assign, tmp_path / "kept", "accumulation", checkpoint_steps=100)

    code = run.attempt(hit="pass 17 SIGUSR1")

    steps = [step for name, step in run.shown.points if name == "train/loss"]
    assert (code, max(steps)) == (0, 6)
    losses = {step: float(loss) for (name, step), loss in run.shown.points.items() if name == "eval/loss"}
    assert list(losses) == [0, 4, 6]
    assert run.committed is not None
    assert run.committed.step == 6
    assert run.shown.exported_step == min((4, 6), key=lambda step: losses[step])


def test_what_is_kept_of_a_checkpoint_is_its_best(forkserver: Forkserver, assign: Assign, tmp_path: Path) -> None:
    run = studio(forkserver, assign, tmp_path / "kept", "pissa", checkpoint_steps=1)
    run.attempt(hit="pass 6 SIGKILL")
    finished = studio(forkserver, assign, tmp_path / "finished", "pissa", checkpoint_steps=1)
    finished.attempt(hit="pass 3 SIGUSR1")

    code = run.attempt(keep_only=True)

    assert (code, run.shown.exported_step) == (0, 4)
    assert run.shown.adapter_sha256 == finished.shown.adapter_sha256
    assert run.phases() == ["loading_model", "exporting"]


def test_stacks_are_dumped_into_the_log(forkserver: Forkserver, assign: Assign, tmp_path: Path) -> None:
    run = studio(forkserver, assign, tmp_path / "hung", "lora")

    run.attempt(hit="pass 3 SIGUSR2")

    assert "most recent call first" in run.log()
    assert "training_step" in run.log() or "in act" in run.log()


def test_a_lost_file_of_rows_is_made_again(
    forkserver: Forkserver, assign: Assign, alone: Alone, tmp_path: Path
) -> None:
    run = studio(forkserver, assign, tmp_path / "lost", "lora")
    run.attempt(hit="pass 6 SIGKILL")
    (rows,) = (tmp_path / "lost" / "prepared").iterdir()
    content = rows.read_bytes()
    rows.write_bytes(content[:-9] + b"\0" + content[-8:])

    shown = run.run([])

    assert rows.read_bytes() == content
    same(shown, alone("lora"))


def same(killed: Shown, alone: Shown) -> None:
    assert killed.hex() == alone.hex()
    assert killed.metrics == alone.metrics
    assert killed.adapter_sha256 == alone.adapter_sha256
    assert killed.archive_sha256 == alone.archive_sha256
    assert killed.answers == alone.answers
    assert set(killed.notes) <= {""}
