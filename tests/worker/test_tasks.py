"""The slot: one trainer at a time, in order, whoever asks."""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from studio import runs
from studio.db import SessionFactory, reading, transaction
from studio.runs import Run
from studio.settings import Settings
from studio.storage import LocalStorage
from studio.wire import Wire
from tests.worker import standin
from worker import health
from worker.bench import Bench
from worker.start import Forkserver
from worker.tasks import Rounds, Slot

MakeRun = Callable[..., Run]


@pytest.fixture
def bench(
    settings: Settings, session_factory: SessionFactory, storage: LocalStorage, empty_redis: str, tmp_path: Path
) -> Iterator[Bench]:
    forkserver = Forkserver(preload=["worker.start"])
    forkserver.warm_up(tmp_path / "logs")
    bench = Bench(
        settings=settings.model_copy(update={"models_root": _models_root(tmp_path)}),
        session_factory=session_factory,
        storage=storage,
        wire=Wire(empty_redis),
        forkserver=forkserver,
        train=standin.succeed,
        owner="w1",
    )
    settings.data_dir.mkdir(exist_ok=True)
    yield bench
    bench.stopping.set()


def test_hints_and_the_clock_together_train_one_run_at_a_time(bench: Bench, make_run: MakeRun) -> None:
    queued = [make_run(f"Run {number}", base_model={"id": "folder:tiny"}) for number in range(4)]
    slot = Slot(bench)

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: slot.drain(), range(20)))

    with reading(bench.session_factory) as session:
        ended = [session.get_one(Run, run.id) for run in queued]
    assert sum(counts) == 4
    assert [(run.status, run.epoch) for run in ended] == [("succeeded", 1)] * 4
    spans = [(run.started_at, run.finished_at) for run in ended]
    assert spans == sorted(spans)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_a_stopping_worker_claims_nothing(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    bench.stopping.set()

    assert Slot(bench).drain() == 0
    with reading(bench.session_factory) as session:
        assert session.get_one(Run, run.id).status == "queued"


def test_rounds_find_silent_runs_without_a_hint(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    with transaction(bench.session_factory) as session:
        runs.claim_next(session, "a worker that died")
        session.get_one(Run, run.id).lease_until = 1.0
    rounds = Rounds(bench, Slot(bench), reap_after_seconds=0)

    rounds.start()
    waiting = threading.Event()
    for _ in range(600):
        with reading(bench.session_factory) as session:
            ended = session.get_one(Run, run.id)
        if ended.is_over:
            break
        waiting.wait(0.05)
    bench.stopping.set()
    rounds.join()

    assert (ended.status, ended.attempt) == ("succeeded", 2)
    assert health.is_alive(bench.settings.data_dir)


def _models_root(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    return folder.parent
