"""The slot: one trainer at a time, in order, whoever asks."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from studio import runs
from studio.db import reading, transaction
from studio.housekeeping import Housekeeping
from studio.runs import Run
from worker import health
from worker.bench import Bench
from worker.rounds import Rounds
from worker.tasks import Slot

MakeRun = Callable[..., Run]


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
    housekeeping = Housekeeping(bench.session_factory, bench.queue, bench.wire, bench.settings, grace_seconds=0)
    rounds = Rounds(bench, Slot(bench), housekeeping)

    bench.settings.data_dir.mkdir(exist_ok=True)
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

    assert (ended.status, ended.epoch) == ("succeeded", 3)
    assert health.is_alive(bench.settings.data_dir)
