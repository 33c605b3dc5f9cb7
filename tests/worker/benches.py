"""A bench with a real database, a real Redis and a real forkserver, and verbs around one supervised run."""

import dataclasses
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.db import SessionFactory, reading, transaction
from studio.runs import Checkpoint, Run
from studio.settings import Settings
from studio.storage import LocalStorage
from studio.wire import Wire
from tests.forking import preloaded
from tests.worker import standin
from worker.bench import Bench
from worker.start import Forkserver
from worker.supervise import supervise

MakeRun = Callable[..., Run]
on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
DEADLINE_SECONDS = 60


@pytest.fixture(scope="module")
def forkserver(tmp_path_factory: pytest.TempPathFactory) -> Forkserver:
    """A warm forkserver that has nothing heavy preloaded."""
    return preloaded("worker.start", tmp_path_factory.mktemp("forkserver"))


@pytest.fixture
def models_root(tmp_path: Path) -> Path:
    """One base model that passes every check and holds nothing."""
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    return folder.parent


@pytest.fixture
def bench(
    tmp_path: Path,
    models_root: Path,
    session_factory: SessionFactory,
    storage: LocalStorage,
    empty_redis: str,
    forkserver: Forkserver,
) -> Bench:
    """What a worker's runs need; its trainer succeeds at once."""
    settings = Settings(data_dir=tmp_path / "data", models_root=models_root, redis_url=empty_redis, checkpoint_steps=5)
    return Bench(
        settings=settings,
        session_factory=session_factory,
        storage=storage,
        wire=Wire(empty_redis),
        forkserver=forkserver,
        train=standin.succeed,
        owner="w1",
        download_environ=dict(os.environ),
    )


@pytest.fixture
def tiny_run(make_run: MakeRun) -> Run:
    """A queued run of the base model that holds nothing."""
    return make_run(base_model={"id": "folder:tiny"})


def with_(bench: Bench, **changes: object) -> Bench:
    """The same bench with other parts."""
    return dataclasses.replace(bench, **changes)  # type: ignore[arg-type]


def set_(bench: Bench, **settings: object) -> Bench:
    """The same bench with other settings."""
    return with_(bench, settings=bench.settings.model_copy(update=settings))


def claim(bench: Bench) -> runs.Lease:
    """Claim the oldest run."""
    with transaction(bench.session_factory) as session:
        lease = runs.claim_next(session, bench.owner)
    assert lease is not None
    return lease


def supervise_next(bench: Bench) -> None:
    """Claim the oldest run and supervise it until it ends or goes back."""
    supervise(bench, claim(bench))


def supervise_in_background(bench: Bench) -> threading.Thread:
    """The same in a thread."""
    thread = threading.Thread(target=supervise, args=(bench, claim(bench)))
    thread.start()
    return thread


def read(bench: Bench, run_id: str) -> Run:
    """The run's row as it is now."""
    with reading(bench.session_factory) as session:
        return session.get_one(Run, run_id)


def train_losses(bench: Bench, run: Run) -> list[tuple[int, float | None]]:
    """The training losses that are shown, by step."""
    with reading(bench.session_factory) as session:
        return [(point.step, point.value) for point in runs.read_series(session, run, "train/loss")]


def messages(bench: Bench, run: Run) -> list[str]:
    """What the run's page tells, oldest first."""
    with reading(bench.session_factory) as session:
        return [event.message for event in runs.read_events(session, run)]


def checkpoints(bench: Bench, run: Run) -> list[tuple[int, int]]:
    """Epoch and step of every checkpoint that has a row."""
    with reading(bench.session_factory) as session:
        rows = session.query(Checkpoint).filter_by(run_id=run.id).order_by(Checkpoint.step)
        return [(row.epoch, row.step) for row in rows]


def ask(bench: Bench, run: Run, desired: str) -> None:
    """Write a wish onto the row, as a person's click does."""
    with transaction(bench.session_factory) as session:
        session.get_one(Run, run.id).desired = desired


def cancel_and_join(bench: Bench, run: Run, supervising: threading.Thread) -> float:
    """Cancel as a person does; returns the seconds until nothing is left of the run."""
    began = time.monotonic()
    with transaction(bench.session_factory) as session:
        runs.cancel(session, LOCAL_ACTOR, run.id)
    supervising.join(20)
    return time.monotonic() - began


def await_(ready: Callable[[], object], seconds: float = DEADLINE_SECONDS) -> None:
    """Poll until it is true; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def await_step(bench: Bench, run: Run, step: int) -> None:
    """Until the run shows that step."""
    await_(lambda: read(bench, run.id).step >= step)


def await_helper(bench: Bench, run_id: str) -> int:
    """The process that the stand-in started, once its run shows step 37."""
    await_(lambda: read(bench, run_id).step == 37)
    return int((runs.attempt_folder(bench.settings.runs_dir, run_id, 1) / "helper.pid").read_text())


def is_running(pid: int) -> bool:
    """Whether a process of that id lives."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
