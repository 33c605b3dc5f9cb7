"""Workers that are killed, frozen, cut off from power or given the same GPU; their trainers are stand-ins."""

import os
import re
import signal
import time
import uuid
from collections.abc import Callable

from sqlalchemy import func

from studio import runs
from studio.db import SessionFactory, reading, transaction
from studio.runs import Point, Run
from studio.runs import Worker as WorkerRow
from tests.worker import standin
from tests.worker.benches import MakeRun, on_sqlite
from tests.worker.workers import StartWorker, Worker, await_, await_gone, parents
from worker.gpu_lock import hold_gpu

QUICK = {"ROUND_SECONDS": "0.5"}


def test_the_run_of_a_killed_worker_goes_on_elsewhere_in_seconds(
    start_worker: StartWorker, make_run: MakeRun, session_factory: SessionFactory
) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    first = start_worker("steady", **QUICK)
    first.await_run(run.id, lambda run: run.step > 20)
    second = start_worker("steady", **QUICK)
    second.await_log("worker ready")
    family = first.family()

    first.process.kill()
    killed_at = time.monotonic()
    first.process.wait()
    await_gone(family, seconds=5)
    taken = second.await_run(run.id, lambda run: run.epoch >= 3 and run.is_active, seconds=30)
    seconds = time.monotonic() - killed_at

    print(f"killed worker: run taken by another after {seconds:.2f} s")
    assert seconds < 10
    assert taken.claimed_step is not None
    assert_nothing_is_lost(second, session_factory, run)


@on_sqlite
def test_after_a_power_cut_what_was_running_goes_on(
    start_worker: StartWorker, make_run: MakeRun, session_factory: SessionFactory
) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    before = start_worker("steady")
    before.await_run(run.id, lambda run: run.step > 20)
    before.process.kill()
    before.process.wait()

    after = start_worker("steady")
    # Well before the lease is over, and not from the beginning.
    taken = after.await_run(run.id, lambda run: run.epoch == 3 and run.status == "running", seconds=40)

    assert taken.claimed_step and taken.claimed_step >= 10
    assert_nothing_is_lost(after, session_factory, run)


@on_sqlite
def test_a_trainer_that_is_killed_goes_on_at_once(
    start_worker: StartWorker, make_run: MakeRun, session_factory: SessionFactory
) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    worker = start_worker("steady")
    seconds = []
    for kill in range(1, 4):
        epoch = kill
        worker.await_run(run.id, lambda run, epoch=epoch: run.epoch == epoch and (run.checkpoint_epoch == epoch))
        os.kill(trainer_of(worker, kill), signal.SIGKILL)
        killed_at = time.monotonic()
        await_(lambda epoch=epoch: points_after(session_factory, run, epoch) or None, 20, worker.log.read_text)
        seconds.append(time.monotonic() - killed_at)

    print(f"killed trainer: next metric after {max(seconds):.2f} s at most")
    assert max(seconds) < 5
    assert_nothing_is_lost(worker, session_factory, run)
    assert worker.read(run.id).epoch == 4


@on_sqlite
def test_a_sigterm_to_the_whole_family_saves_the_run(
    start_worker: StartWorker, make_run: MakeRun, session_factory: SessionFactory
) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    worker = start_worker("steady")
    worker.await_run(run.id, lambda run: run.step > 5)

    for pid in worker.family():
        os.kill(pid, signal.SIGTERM)
    exit_code = worker.process.wait(20)

    left = worker.read(run.id)
    assert (exit_code, left.status, left.idle_attempts) == (0, "queued", 0)
    assert left.checkpoint_step == left.step > 5
    assert "The studio was stopped" in left.phase_note


@on_sqlite
def test_a_killed_forkserver_is_started_again_for_the_next_attempt(
    start_worker: StartWorker, make_run: MakeRun, session_factory: SessionFactory
) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    worker = start_worker("steady")
    worker.await_run(run.id, lambda run: run.step > 5)
    trainer = trainer_of(worker, 1)

    os.kill(parents()[trainer], signal.SIGKILL)

    await_gone({trainer})
    worker.await_run(run.id, lambda run: run.epoch == 2 and run.status == "running", seconds=30)
    assert_nothing_is_lost(worker, session_factory, run)


@on_sqlite
def test_a_frozen_worker_wakes_up_as_a_zombie_that_writes_nothing_and_ends_its_trainer(
    start_worker: StartWorker, make_run: MakeRun, session_factory: SessionFactory
) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    frozen = start_worker("steady", **QUICK)
    frozen.await_run(run.id, lambda run: run.step > 20)
    trainer = trainer_of(frozen, 1)
    freeze_between_writes(frozen, session_factory)
    with transaction(session_factory) as session:
        # As if a minute had passed.
        session.get_one(Run, run.id).lease_until = 1.0
        assert runs.reap(session) == [run.id]
    healthy = start_worker("steady", **QUICK)
    healthy.await_run(run.id, lambda run: run.epoch == 3 and run.step > 40)
    stale = count_of_attempt(session_factory, run, 1)

    os.kill(frozen.process.pid, signal.SIGCONT)
    thawed_at = time.monotonic()
    await_gone({trainer}, seconds=15)
    seconds = time.monotonic() - thawed_at
    frozen.await_log("attempt 1 ended: lost", seconds=15)

    print(f"frozen worker: its trainer was gone {seconds:.2f} s after it woke up")
    assert count_of_attempt(session_factory, run, 1) == stale
    assert_nothing_is_lost(healthy, session_factory, run)
    assert (healthy.read(run.id).epoch, frozen.process.poll()) == (3, None)


@on_sqlite
def test_two_workers_with_one_gpu_train_one_after_the_other(
    start_worker: StartWorker, make_run: MakeRun, session_factory: SessionFactory
) -> None:
    gpu = f"shared-{uuid.uuid4().hex[:8]}"
    queued = [make_run(f"Run {n}", base_model={"id": "folder:tiny"}) for n in range(2)]
    workers = [start_worker("a_hundred_steps", TUNEWRIGHT_GPU=gpu, **QUICK) for _ in range(2)]
    notes: set[str] = set()

    def all_over() -> bool | None:
        with reading(session_factory) as session:
            found = [session.get_one(Run, run.id) for run in queued]
            notes.update(row.note for row in session.query(WorkerRow))
        assert sum(run.status in {"running", "finalizing"} for run in found) < 2
        return True if all(run.is_over for run in found) else None

    await_(all_over, 90, lambda: "".join(worker.log.read_text() for worker in workers))

    assert {workers[0].read(run.id).status for run in queued} == {"succeeded"}
    assert any(f"Another trainer holds GPU {gpu}" in note for note in notes)


@on_sqlite
def test_a_worker_whose_gpu_is_taken_by_another_program_claims_nothing(
    start_worker: StartWorker, make_run: MakeRun
) -> None:
    gpu = f"taken-{uuid.uuid4().hex[:8]}"
    run = make_run(base_model={"id": "folder:tiny"})
    with hold_gpu(gpu):
        worker = start_worker("succeed", TUNEWRIGHT_GPU=gpu, **QUICK)
        worker.await_log(f"Another trainer holds GPU {gpu}")
        worker.await_log("worker ready")
        assert worker.read(run.id).epoch == 0

    assert worker.await_run(run.id, lambda run: run.is_over, seconds=20).status == "succeeded"


def assert_nothing_is_lost(worker: Worker, session_factory: SessionFactory, run: Run) -> None:
    """Bring the run to its end: every step is shown once, with its value."""
    with transaction(session_factory) as session:
        session.get_one(Run, run.id).desired = "keep"
    ended = worker.await_run(run.id, lambda run: run.is_over)
    with reading(session_factory) as session:
        points = runs.read_series(session, ended, "train/loss")
    assert ended.status == "succeeded"
    assert [(point.step, point.value) for point in points] == [
        (step, standin.loss_at(step)) for step in range(1, ended.step + 1)
    ]


def trainer_of(worker: Worker, attempt: int) -> int:
    """The process of the n-th attempt, by the worker's log."""
    found: Callable[[], list[str]] = lambda: re.findall(r"the trainer is process (\d+)", worker.log.read_text())  # noqa: E731
    return int(await_(lambda: all_[attempt - 1] if len(all_ := found()) >= attempt else None, 20, worker.log.read_text))


def freeze_between_writes(worker: Worker, session_factory: SessionFactory) -> None:
    """Frozen in the middle of a commit it would hold SQLite's only lock: the freeze of a host, not of a worker."""
    while True:
        os.kill(worker.process.pid, signal.SIGSTOP)
        began = time.monotonic()
        with transaction(session_factory) as session:
            session.execute(func.now().select())
            if time.monotonic() - began < 1:
                return
        os.kill(worker.process.pid, signal.SIGCONT)


def count_of_attempt(session_factory: SessionFactory, run: Run, epoch: int) -> int:
    """Points that an attempt has written."""
    with reading(session_factory) as session:
        return session.query(Point).filter_by(run_id=run.id, epoch=epoch).count()


def points_after(session_factory: SessionFactory, run: Run, epoch: int) -> int:
    """Points that later attempts have written."""
    with reading(session_factory) as session:
        return session.query(Point).filter(Point.run_id == run.id, Point.epoch > epoch).count()
