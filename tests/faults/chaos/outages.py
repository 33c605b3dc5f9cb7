"""Valkey, PostgreSQL and SQLite away for a while, in the middle of runs."""

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

from tests.faults.chaos.hints import (
    SHORT,
    seconds_until_a_hint_is_taken,
    seconds_until_a_hint_starts_a_run,
    waiting_hints,
)
from tests.faults.chaos.home import Home
from tests.faults.chaos.ledger import Ledger
from tests.faults.chaos.processes import PostgreSQL
from tests.faults.chaos.report import Fault, Report

# Restarts are the most frequent, since each is over in a second; waiting for a start without Valkey takes up to 30 s.
WAYS = ("restart", "flush", "restart", "launch while down", "flush with hints", "restart", "launch, then back")


def break_valkey(home: Home, ledger: Ledger, *, count: int, seed: int) -> Report:
    """Restart and flush Valkey `count` times, each time under a run that must not notice."""
    rng = random.Random(seed)
    ledger.undisturbed(home.spec(**SHORT))
    faults = []
    for number in range(count):
        home.await_warm(2)
        beside = ledger.launch(name="Beside Valkey")
        home.await_run(beside, lambda run: run.status == "running", "it trains")
        time.sleep(rng.uniform(0, 2))
        faults.append(_break_valkey(home, ledger, WAYS[number % len(WAYS)]))
        ledger.hit(beside)
        faults[-1].seconds["hint_taken"] = seconds_until_a_hint_is_taken(home)
        faults[-1].expect("attempts_beside", home.await_over(beside).attempt, 1)
    for _ in range(3):
        fault = Fault("Valkey away", "afterwards", "", 0)
        fault.seconds["start_by_hint"] = seconds_until_a_hint_starts_a_run(home, ledger)
        ledger.count()
        faults.append(fault)
    return Report("Valkey away", seed, faults, ledger.count())


def _break_valkey(home: Home, ledger: Ledger, way: str) -> Fault:
    fault = Fault("Valkey away", way, "", 0)
    if way == "flush":
        _flush(home)
    elif way == "flush with hints":
        _flush_with_hints(home, ledger, fault)
    else:
        home.valkey.kill()
        if way == "launch while down":
            _await_start(home, fault, _launch(home, ledger, fault), "start_while_down")
        elif way == "launch, then back":
            _launch(home, ledger, fault)
            time.sleep(1)
        home.valkey.start()
        if way == "launch, then back":
            _await_start(home, fault, time.time(), "start_when_back")
    return fault


def _launch(home: Home, ledger: Ledger, fault: Fault) -> float:
    fault.run_id = ledger.launch(home.spec(**SHORT), name=f"Queued: {fault.moment}")
    ledger.hit(fault.run_id)
    return home.read(fault.run_id).queued_at.timestamp()


def _await_start(home: Home, fault: Fault, since: float, part: str) -> None:
    home.await_run(fault.run_id, lambda run: run.attempt > 0, "it starts", 120)
    claimed_at = home.when(fault.run_id, "claimed")
    assert claimed_at is not None
    fault.seconds[part] = max(0.0, claimed_at - since)


def _flush(home: Home) -> None:
    with home.valkey.client() as client:
        client.flushall()


def _flush_with_hints(home: Home, ledger: Ledger, fault: Fault) -> None:
    """Both workers train, so the third run's hint waits, and is lost."""
    second = ledger.launch(name="The other worker's")
    ledger.hit(second)
    home.await_run(second, lambda run: run.is_active, "the other worker has it", 60)
    _launch(home, ledger, fault)
    fault.facts["hints_flushed"] = waiting_hints(home)
    _flush(home)
    flushed_at = time.time()
    home.await_over(second)
    _await_start(home, fault, flushed_at, "start_behind_others")


def stop_postgresql(home: Home, ledger: Ledger, server: PostgreSQL, *, seconds: float, seed: int) -> Report:
    """PostgreSQL crashes in the middle of a run and is back after `seconds`; the run must not notice."""
    return _away(home, ledger, "PostgreSQL away", server.crash, server.start, seconds, seed)


def lock_sqlite(home: Home, ledger: Ledger, *, seconds: float, seed: int) -> Report:
    """Another program locks the database for `seconds`."""
    path = home.settings.data_dir / "tunewright.sqlite"
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        return _away(
            home,
            ledger,
            "SQLite locked",
            lambda: connection.execute("BEGIN EXCLUSIVE"),
            lambda: connection.execute("ROLLBACK"),
            seconds,
            seed,
        )


def _away(
    home: Home,
    ledger: Ledger,
    kind: str,
    leave: Callable[[], object],
    come_back: Callable[[], object],
    seconds: float,
    seed: int,
) -> Report:
    home.await_warm(2)
    run_id = ledger.launch(name=kind)
    run = home.await_run(run_id, lambda run: run.status == "running" and run.step > 2, "it trains")
    time.sleep(random.Random(seed).uniform(0, 2))
    fault = Fault(kind, f"{seconds:g} s", run_id, run.epoch, run.phase, run.step)
    leave()
    time.sleep(seconds)
    come_back()
    back_at = time.time()
    ledger.hit(run_id)
    ended = home.await_over(run_id, 300)
    fault.seconds["end"] = time.time() - back_at
    fault.expect("epochs", ended.epoch, 1)
    fault.expect("workers_live", all(worker.is_running for worker in home.workers), True)
    return Report(kind, seed, [fault], ledger.count())
