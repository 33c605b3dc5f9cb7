"""Whole workers in processes of their own: hints, order, signals, secrets. Training is a stand-in here."""

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from sqlalchemy import text

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.db import SessionFactory, make_engine, reading, transaction
from studio.errors import StartupError
from studio.migrate import upgrade
from studio.queue import CeleryQueue
from studio.runs import Worker
from studio.settings import Settings
from studio.wire import PREFIX
from tests.worker import standin
from tests.worker.benches import MakeRun, on_sqlite
from tests.worker.workers import SECRET, StartWorker, await_, await_gone
from worker.health import is_alive
from worker.main import make_bench
from worker.start import Forkserver


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
    worker = start_worker("steady")
    worker.await_run(run.id, lambda run: run.step >= 7)
    family = worker.family()

    began = time.monotonic()
    worker.process.terminate()
    exit_code = worker.process.wait(15)

    assert time.monotonic() - began < 10
    left = worker.read(run.id)
    assert (exit_code, left.status, left.checkpoint_step) == (0, "queued", left.step)
    assert len(family) >= 3
    await_gone(family)


@on_sqlite
def test_killing_the_worker_leaves_no_process(start_worker: StartWorker, make_run: MakeRun, queue: CeleryQueue) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    queue.send(run.id)
    worker = start_worker("wait_for_ever")
    worker.await_run(run.id, lambda run: run.step == 37)
    family = worker.family()

    worker.process.kill()
    worker.process.wait()

    await_gone(family, seconds=5)


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
def test_a_worker_shows_that_it_lives_and_leaves_nothing_when_it_stops(
    start_worker: StartWorker, settings: Settings, empty_redis: str, session_factory: SessionFactory
) -> None:
    assert not is_alive(settings.data_dir)

    worker = start_worker("succeed")
    worker.await_log("worker ready")

    assert is_alive(settings.data_dir)
    with redis.Redis.from_url(empty_redis) as client:
        await_(lambda: list(client.scan_iter(f"{PREFIX}worker:*")) or None, 10, worker.log.read_text)
    row = await_(lambda: _only_worker(session_factory), 10, worker.log.read_text)
    assert (row.device, row.run_id, row.gpu) == ("CPU", None, None)
    worker.process.terminate()
    worker.process.wait(15)
    assert _only_worker(session_factory) is None
    assert list((settings.data_dir / "workers").iterdir()) == []


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


def test_a_schema_that_is_older_than_the_worker_needs_is_named(tmp_path: Path, empty_redis: str) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    upgrade(url, "0001")
    settings = Settings(data_dir=tmp_path, database_url=url, redis_url=empty_redis)

    with pytest.raises(StartupError, match=r"schema is older than this worker needs \([a-z]+\.[a-z]+ is not there"):
        make_bench(settings, {}, train=standin.succeed, forkserver=Forkserver(preload=[]))

    upgrade(url)
    with make_engine(url).begin() as connection:
        # What a version after this one may add.
        connection.execute(text("ALTER TABLE runs ADD COLUMN of_the_future INTEGER"))
    assert make_bench(settings, {}, train=standin.succeed, forkserver=Forkserver(preload=[])).owner


def _only_worker(session_factory: SessionFactory) -> Worker | None:
    with reading(session_factory) as session:
        return session.query(Worker).one_or_none()
