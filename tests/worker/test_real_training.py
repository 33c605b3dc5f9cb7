"""The worker as it is run, with the real training stack, one warm worker for all tests here."""

import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from sqlalchemy import Engine
from transformers import AutoModelForCausalLM

from studio import adapters, runs, spending
from studio.actors import LOCAL_ACTOR
from studio.db import SessionFactory, make_engine, reading, transaction
from studio.queue import CeleryQueue
from studio.runs import Run
from studio.settings import Settings
from studio.storage import LocalStorage
from studio.tables import metadata

MakeRun = Callable[..., Run]
QUICK = {"sample_prompts": 1, "sample_tokens": 4}
A_HUNDRED = {"max_steps": 100, "batch_size": 2, "gradient_accumulation_steps": 1}
FOR_EVER = {"max_steps": 1_000_000, "batch_size": 2, "gradient_accumulation_steps": 1}

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def engine(home: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{home / 'tunewright.sqlite'}")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(data_dir=home)


@pytest.fixture(scope="module")
def log(home: Path, engine: Engine, redis_url: str, base_folder: Path) -> Iterator[Path]:
    """The log of a worker that is warm and stays so."""
    environ = {
        "TUNEWRIGHT_DATA_DIR": str(home),
        "TUNEWRIGHT_REDIS_URL": redis_url,
        "TUNEWRIGHT_MODELS_ROOT": str(base_folder.parent),
        "TUNEWRIGHT_CHECKPOINT_STEPS": "20",
        # A tiny model gains nothing from a second thread, and spinning threads starve each other on a busy machine.
        "OMP_NUM_THREADS": "1",
    }
    log = home / "worker.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "worker"], env={**os.environ, **environ}, stdout=stream, stderr=stream
        )
    try:
        _await(lambda: "worker ready" in log.read_text(), 180, log)
        yield log
        process.terminate()
        assert process.wait(15) == 0
    finally:
        process.kill()


@pytest.fixture
def train(log: Path, make_run: MakeRun, redis_url: str) -> MakeRun:
    """Queue a run of the tiny base model and send its hint."""

    def _train(budget: dict[str, float] | None = None, **hyperparameters: object) -> Run:
        parts = {"hyperparameters": hyperparameters, "evaluation": QUICK, "budget": budget or {}}
        run = make_run(base_model={"id": "folder:tiny"}, **parts)
        CeleryQueue(redis_url).send(run.id)
        return run

    return _train


def test_a_queued_run_becomes_an_adapter(
    train: MakeRun, session_factory: SessionFactory, storage: LocalStorage, log: Path
) -> None:
    run = train(max_steps=4, batch_size=4)

    _await(lambda: _read(session_factory, run).is_over, 180, log)

    ended = _read(session_factory, run)
    assert (ended.status, ended.failure_reason) == ("succeeded", "")
    with reading(session_factory) as session:
        adapter = adapters.adapter_of_run(session, ended)
        losses = runs.read_series(session, ended, "train/loss")
        events = [event.kind for event in runs.read_events(session, ended)]
        learned = session.get_one(runs.Measurement, run.id)
    assert (learned.hardware, learned.model_type, learned.facts["steps"]) == ("cpu", "llama", 4)
    # Every part of a run is measured, so that the estimate of the next one is corrected in all of them.
    assert set(learned.facts["measured"]) == set(learned.facts["estimated"])
    assert min(learned.facts["measured"].values()) > 0
    assert [point.step for point in losses] == [1, 2, 3, 4]
    assert ended.initial_validation_loss is not None
    assert events[0] == "claimed"
    assert events[-1] == "succeeded"
    assert adapter is not None
    with zipfile.ZipFile(storage.path(adapter.storage_key)) as archive:
        assert any(name.endswith("adapter_model.safetensors") for name in archive.namelist())


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")
def test_a_run_ends_within_its_cap_and_plain_peft_loads_its_adapter(
    train: MakeRun, session_factory: SessionFactory, storage: LocalStorage, base_folder: Path, tmp_path: Path, log: Path
) -> None:
    run = train(budget={"max_hours": 8 / 3600}, **FOR_EVER)

    _await(lambda: _read(session_factory, run).is_over, 60, log)

    ended = _read(session_factory, run)
    assert (ended.status, ended.stopped_by) == ("succeeded", "max_hours")
    with reading(session_factory) as session:
        # A busy machine may be half a second late; benchmarks/caps.py measures it on quiet cores.
        assert 6 < spending.spent(session, ended).seconds < 8.5
        adapter = adapters.adapter_of_run(session, ended)
    assert adapter is not None
    with zipfile.ZipFile(storage.path(adapter.storage_key)) as archive:
        archive.extractall(tmp_path / "adapter")
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base_folder), tmp_path / "adapter")
    assert loaded(input_ids=torch.tensor([[5, 6, 7]])).logits.isfinite().all()


def test_cancelling_frees_the_trainer_within_five_seconds(
    train: MakeRun, session_factory: SessionFactory, log: Path
) -> None:
    run = train(**FOR_EVER)
    trainer = _await_training(session_factory, run, log)

    began = time.monotonic()
    with transaction(session_factory) as session:
        runs.cancel(session, LOCAL_ACTOR, run.id)
    _await(lambda: not Path(f"/proc/{trainer}").exists(), 5, log)
    seconds = time.monotonic() - began

    _await(lambda: _read(session_factory, run).is_over, 5, log)
    assert _read(session_factory, run).status == "cancelled"
    assert seconds < 5


def test_a_run_whose_trainer_was_killed_ends_like_one_that_was_left_alone(
    train: MakeRun, session_factory: SessionFactory, log: Path
) -> None:
    left_alone, hit = train(**A_HUNDRED), train(**A_HUNDRED)
    _await(lambda: _read(session_factory, hit).checkpoint_step is not None, 180, log)

    os.kill(_trainer(hit, log), signal.SIGKILL)
    _await(lambda: _read(session_factory, hit).is_over, 180, log)

    ended = _read(session_factory, hit)
    assert (ended.status, ended.epoch, ended.resume_note) == ("succeeded", 2, "")
    with reading(session_factory) as session:
        adapter_files = [_weights(adapters.adapter_of_run(session, run)) for run in (left_alone, hit)]
        for name in ("train/loss", "train/grad_norm", "train/learning_rate", "eval/loss"):
            expected, found = (runs.read_series(session, run, name) for run in (left_alone, hit))
            assert [(point.step, point.value) for point in found] == [(point.step, point.value) for point in expected]
    assert adapter_files[0] == adapter_files[1]


def _weights(adapter: adapters.Adapter | None) -> str:
    """The SHA-256 of the adapter's weights."""
    assert adapter is not None
    (sha256,) = [file["sha256"] for file in adapter.files if file["name"] == "adapter_model.safetensors"]
    return str(sha256)


def _await_training(session_factory: SessionFactory, run: Run, log: Path) -> int:
    """The trainer's process, once it has made two steps."""
    _await(lambda: _read(session_factory, run).step >= 2, 180, log)
    return _trainer(run, log)


def _trainer(run: Run, log: Path) -> int:
    """The process of a run's newest trainer."""
    return int(re.findall(rf"{run.id}: the trainer is process (\d+)", log.read_text())[-1])


def _read(session_factory: SessionFactory, run: Run) -> Run:
    with reading(session_factory) as session:
        return session.get_one(Run, run.id)


def _await(ready: Callable[[], bool], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.05)
