"""Whole workers in processes of their own: hints, order, signals, secrets. Training is a stand-in here."""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import redis

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.db import SessionFactory, reading, transaction
from studio.queue import GPU_QUEUE, TRAIN_TASK, CeleryQueue, make_celery
from studio.runs import Run
from studio.settings import Settings
from studio.wire import PREFIX
from worker.health import is_alive

MakeRun = Callable[..., Run]
StartWorker = Callable[..., "Worker"]
Found = TypeVar("Found")
SECRET = "a-secret-of-the-studio"


on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


class Worker:
    """A worker's process and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, session_factory: SessionFactory) -> None:
        self.process = process
        self.log = log
        self._session_factory = session_factory

    def read(self, run_id: str) -> Run:
        with reading(self._session_factory) as session:
            return session.get_one(Run, run_id)

    def await_run(self, run_id: str, ready: Callable[[Run], bool], *, seconds: float = 90) -> Run:
        return _await(lambda: run if ready(run := self.read(run_id)) else None, seconds, self.log.read_text)

    def await_log(self, text: str, *, seconds: float = 90) -> str:
        return _await(lambda: log if text in (log := self.log.read_text()) else None, seconds, self.log.read_text)

    def family(self) -> set[int]:
        """The worker, its forkserver, its trainers and what they started."""
        found = {self.process.pid}
        while grown := {pid for pid, parent in _parents().items() if parent in found} - found:
            found |= grown
        return found


@pytest.fixture
def start_worker(
    settings: Settings, session_factory: SessionFactory, engine: object, empty_redis: str, tmp_path: Path
) -> Iterator[StartWorker]:
    """Start `python -m tests.worker.small_worker TARGET`; what is left at the end is killed."""
    started: list[Worker] = []

    def _start(target: str, **environ: str) -> Worker:
        settings.data_dir.mkdir(exist_ok=True)
        log = tmp_path / f"worker-{len(started)}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.worker.small_worker", target],
                stdout=stream,
                stderr=stream,
                env={
                    **os.environ,
                    "TUNEWRIGHT_DATA_DIR": str(settings.data_dir),
                    "TUNEWRIGHT_DATABASE_URL": engine.url.render_as_string(hide_password=False),
                    "TUNEWRIGHT_REDIS_URL": empty_redis,
                    "TUNEWRIGHT_MODELS_ROOT": str(_tiny_models_root(tmp_path)),
                    "HF_TOKEN": SECRET,
                    "SOME_API_KEY": SECRET,
                    **environ,
                },
            )
        started.append(Worker(process, log, session_factory))
        return started[-1]

    yield _start
    for worker in started:
        worker.process.kill()
        worker.process.wait()


@pytest.fixture
def queue(empty_redis: str) -> CeleryQueue:
    return CeleryQueue(empty_redis)


def test_queued_runs_end_in_the_order_of_their_queueing(
    start_worker: StartWorker, make_run: MakeRun, queue: CeleryQueue
) -> None:
    queued = [make_run(f"Run {n}", base_model={"id": "folder:tiny"}) for n in range(3)]
    for run in reversed(queued):
        queue.send(run.id)

    worker = start_worker("succeed")

    ended = [worker.await_run(run.id, lambda run: run.is_over) for run in queued]
    assert [run.status for run in ended] == ["succeeded"] * 3
    assert [run.attempt for run in ended] == [1] * 3
    for before, after in itertools.pairwise(ended):
        assert before.finished_at is not None
        assert after.started_at is not None
        assert before.finished_at <= after.started_at


@on_sqlite
def test_a_hint_starts_a_run_at_once(start_worker: StartWorker, make_run: MakeRun, queue: CeleryQueue) -> None:
    worker = start_worker("succeed")
    worker.await_log("worker ready")
    worker.await_log("ready.")
    run = make_run(base_model={"id": "folder:tiny"})

    began = time.monotonic()
    queue.send(run.id)
    worker.await_run(run.id, lambda run: run.status == "succeeded")

    # The clock alone would find it after up to 30 s.
    assert time.monotonic() - began < 25


@on_sqlite
def test_many_hints_for_one_run_and_forged_ones_make_one_attempt(
    start_worker: StartWorker, make_run: MakeRun, queue: CeleryQueue, empty_redis: str
) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    celery = make_celery(empty_redis)
    for arguments in (["run_" + "0" * 26], ["../../etc"], [{"a": 1}], [None], [], ["x"] * 9, ["r" * 100_000]):
        celery.send_task(TRAIN_TASK, args=arguments, queue=GPU_QUEUE)
    celery.send_task("os.system", args=["true"], queue=GPU_QUEUE)
    for _ in range(100):
        queue.send(run.id)

    worker = start_worker("succeed")
    worker.await_run(run.id, lambda run: run.is_over)
    after = make_run("After them", base_model={"id": "folder:tiny"})
    worker.await_run(after.id, lambda run: run.is_over, seconds=10)

    ended = worker.read(run.id)
    assert (ended.status, ended.attempt, ended.epoch) == ("succeeded", 1, 1)


@on_sqlite
def test_runs_start_while_redis_is_down(start_worker: StartWorker, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(base_model={"id": "folder:tiny"})

    worker = start_worker("succeed", TUNEWRIGHT_REDIS_URL=f"unix://{tmp_path}/nobody.sock")

    assert worker.await_run(run.id, lambda run: run.is_over).status == "succeeded"
    worker.process.terminate()
    worker.process.wait(15)


@on_sqlite
def test_sigterm_hands_the_run_back_and_leaves_no_process(
    start_worker: StartWorker, make_run: MakeRun, queue: CeleryQueue
) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    queue.send(run.id)
    worker = start_worker("wait_for_ever")
    worker.await_run(run.id, lambda run: run.step == 37)
    family = worker.family()

    began = time.monotonic()
    worker.process.terminate()
    exit_code = worker.process.wait(15)

    assert time.monotonic() - began < 10
    assert (exit_code, worker.read(run.id).status) == (0, "queued")
    assert len(family) >= 4
    _await_gone(family)


@on_sqlite
def test_killing_the_worker_leaves_no_process(start_worker: StartWorker, make_run: MakeRun, queue: CeleryQueue) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    queue.send(run.id)
    worker = start_worker("wait_for_ever")
    worker.await_run(run.id, lambda run: run.step == 37)
    family = worker.family()

    worker.process.kill()
    worker.process.wait()

    _await_gone(family, seconds=5)


@on_sqlite
def test_cancelling_frees_the_slot_for_the_next_run(
    start_worker: StartWorker, make_run: MakeRun, queue: CeleryQueue, session_factory: SessionFactory
) -> None:
    first, second = (make_run(f"Run {n}", base_model={"id": "folder:tiny"}) for n in range(2))
    queue.send(first.id)
    worker = start_worker("wait_for_ever")
    worker.await_run(first.id, lambda run: run.step == 37)

    with transaction(session_factory) as session:
        runs.cancel(session, LOCAL_ACTOR, first.id)

    assert worker.await_run(first.id, lambda run: run.is_over, seconds=5).status == "cancelled"
    worker.await_run(second.id, lambda run: run.step == 37)


@on_sqlite
def test_no_secret_reaches_forkserver_or_trainer(
    start_worker: StartWorker, make_run: MakeRun, queue: CeleryQueue, settings: Settings
) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    queue.send(run.id)

    worker = start_worker("tell_environment")
    worker.await_run(run.id, lambda run: run.is_over)

    seen = runs.read_log(settings.runs_dir, run.id, 1)
    assert "PATH=" in seen
    assert SECRET not in seen
    assert "TUNEWRIGHT_" not in seen


@on_sqlite
def test_a_worker_shows_that_it_lives(start_worker: StartWorker, settings: Settings, empty_redis: str) -> None:
    assert not is_alive(settings.data_dir)

    worker = start_worker("succeed")
    worker.await_log("worker ready")

    assert is_alive(settings.data_dir)
    with redis.Redis.from_url(empty_redis) as client:
        _await(lambda: list(client.scan_iter(f"{PREFIX}worker:*")) or None, 10, worker.log.read_text)


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"TUNEWRIGHT_REDIS_URL": ""}, "TUNEWRIGHT_REDIS_URL"),
        ({"TUNEWRIGHT_DATABASE_URL": "sqlite:////nowhere/at/all.sqlite"}, "The database cannot be used"),
        ({"TUNEWRIGHT_HUB_TOKEN_FILE": "/nowhere/token"}, "TUNEWRIGHT_HUB_TOKEN_FILE cannot be read"),
    ],
)
def test_a_worker_that_cannot_start_says_why(
    environ: dict[str, str], sentence: str, tmp_path: Path, empty_redis: str
) -> None:
    given = {"TUNEWRIGHT_DATA_DIR": str(tmp_path), "TUNEWRIGHT_REDIS_URL": empty_redis, **environ}
    ended = subprocess.run(
        [sys.executable, "-m", "worker"],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert (ended.returncode, sentence in ended.stderr) == (1, True), ended.stderr
    assert "Traceback" not in ended.stderr


def _tiny_models_root(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    return folder.parent


def _parents() -> dict[int, int]:
    """The parent of every living process."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(") ")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            parents[int(folder.name)] = int(parent)
    return parents


def _await_gone(pids: set[int], *, seconds: float = 5) -> None:
    _await(lambda: True if not pids & _parents().keys() else None, seconds, lambda: str(pids & _parents().keys()))


def _await(look: Callable[[], Found | None], seconds: float, explain: Callable[[], str]) -> Found:
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)
    return found
