"""Workers frozen past their lease and thawed again: zombies that still believe they hold a run."""

import random
import signal
import sqlite3
import time
from contextlib import closing

from studio.runs import Run
from tests.faults.chaos.home import Home
from tests.faults.chaos.ledger import Ledger
from tests.faults.chaos.processes import alive, family, seconds_until, send
from tests.faults.chaos.report import Fault, Report

_PATIENCE_SECONDS = 180.0


def freeze_workers(home: Home, ledger: Ledger, *, count: int, seed: int) -> Report:
    """Freeze `count` workers with their trainers at once; one other ends their runs, then all are thawed.

    Every third one is frozen without its trainer, which then ends unheard.
    """
    rng = random.Random(seed)
    home.await_warm(count + 1)
    run_ids = [ledger.launch(name="SIGSTOP") for _ in range(count)]
    frozen = [_freeze(home, run_id, rng, with_trainer=n % 3 != 2) for n, run_id in enumerate(run_ids)]
    for fault, _ in frozen:
        ledger.hit(fault.run_id)
        run = home.await_over(fault.run_id, _PATIENCE_SECONDS + 60 * count)
        taken_at = home.when(run.id, "handed_back")
        assert taken_at is not None, home.describe(run.id)
        fault.facts["epochs"] = run.epoch
    before = [home.rows_of(fault.run_id, fault.epoch) for fault, _ in frozen]
    for (fault, pids), rows in zip(frozen, before, strict=True):
        _thaw(home, fault, pids, rows)
    return Report("SIGSTOP worker", seed, [fault for fault, _ in frozen], ledger.count())


def _freeze(home: Home, run_id: str, rng: random.Random, *, with_trainer: bool) -> tuple[Fault, set[int]]:
    run = home.await_run(run_id, lambda run: run.status == "running" and run.step > 4, "it trains")
    time.sleep(rng.uniform(0, 1))
    holder = home.holder_of(run)
    assert holder is not None
    pids = family(holder.pid) if with_trainer else {holder.pid}
    moment = "worker and trainer" if with_trainer else "worker alone"
    fault = Fault("SIGSTOP worker", moment, run.id, run.epoch, run.phase, run.step)
    while True:
        send(pids, signal.SIGSTOP)
        if _can_write(home):
            return fault, pids
        # Frozen in the middle of a commit it holds the lock of SQLite's only file, on whose host it lives: a freeze
        # of the whole host, which is another fault.
        send(pids, signal.SIGCONT)
        time.sleep(rng.uniform(0, 0.5))


def _can_write(home: Home) -> bool:
    if home.session_factory.kw["bind"].dialect.name != "sqlite":
        return True
    with closing(sqlite3.connect(home.settings.data_dir / "tunewright.sqlite", timeout=0.5)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True


def _thaw(home: Home, fault: Fault, pids: set[int], rows: int) -> None:
    """Let the zombie go on: its trainer must go, and nothing that it writes may be kept."""
    run: Run = home.read(fault.run_id)
    holder = next(worker for worker in home.workers if worker.pid in pids)
    send(pids, signal.SIGCONT)
    is_gone = lambda: holder.child_of(run.id, fault.epoch) is None  # noqa: E731
    fault.seconds["zombie_trainer_gone"] = seconds_until(is_gone, _PATIENCE_SECONDS, "the zombie's trainer is gone")
    seconds_until(
        lambda: f"{run.id}: attempt {fault.epoch} ended" in holder.log.read_text() or not alive([holder.pid]),
        _PATIENCE_SECONDS,
        f"the zombie notices; its log ends with {holder.log.read_text()[-2000:]}",
    )
    fault.expect("stale_rows", home.rows_of(fault.run_id, fault.epoch) - rows, 0)
    fault.expect("worker_lives", holder.is_running, True)
