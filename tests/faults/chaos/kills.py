"""kill -9 of trainers and of workers at random instants, with the time that each part of the recovery took."""

import os
import random
import signal
import time
from collections.abc import Callable

from studio import runs
from studio.runs import Run
from tests.faults.chaos.home import Home
from tests.faults.chaos.ledger import Ledger
from tests.faults.chaos.moments import EARLY, LATE, Attempt, await_moment
from tests.faults.chaos.processes import alive, await_that, seconds_until
from tests.faults.chaos.report import Fault, Report

# How often a kill comes before anything can be committed; two such in a row would make the next attempt wait.
_EARLY_SHARE = 0.35
# Beyond the figures that are asserted over all faults, so that a slow recovery is measured and not cut off.
_PATIENCE_SECONDS = 180.0

# Kills something of the attempt and returns all processes that have to follow.
Kill = Callable[[Home, Run, int], set[int]]


def kill_trainers(home: Home, ledger: Ledger, *, count: int, seed: int) -> Report:
    """Kill `count` trainers; each run is hit again and again until it is over."""
    return _kill(home, ledger, "kill -9 trainer", _kill_trainer, count, seed)


def kill_workers(home: Home, ledger: Ledger, *, count: int, seed: int) -> Report:
    """Kill `count` workers under their trainers; another worker goes on, and each is replaced at once."""
    report = _kill(home, ledger, "kill -9 worker", _kill_worker, count, seed)
    report.worker_is_lost = True
    return report


def kill_into_crash_loop(home: Home, ledger: Ledger, *, seed: int) -> Report:
    """Kill three attempts in a row before their first step: that run fails, the next one is unharmed."""
    run_id = ledger.launch(name="Crash loop")
    ledger.expect(run_id, "failed")
    hunt = _Hunt(home, run_id, "idle kill", _kill_trainer, random.Random(seed))
    while hunt.strike(EARLY[:3]):
        pass
    ledger.hit(run_id)
    ended = home.await_over(run_id)
    hunt.faults[-1].expect("failure_kind", ended.failure_kind, "crash_loop")
    hunt.faults[-1].expect("kills", len(hunt.faults), runs.MAX_IDLE_ATTEMPTS)
    ledger.launch(name="After the crash loop")
    return Report("crash loop", seed, hunt.faults, ledger.count())


def _kill(home: Home, ledger: Ledger, kind: str, kill: Kill, count: int, seed: int) -> Report:
    rng = random.Random(seed)
    faults: list[Fault] = []
    while len(faults) < count:
        hunt = _Hunt(home, ledger.launch(name=kind), kind, kill, rng)
        while len(faults) + len(hunt.faults) < count and hunt.strike():
            pass
        hunt.settle()
        for _ in hunt.faults:
            ledger.hit(hunt.run_id)
        faults += hunt.faults
    return Report(kind, seed, faults, ledger.count())


class _Hunt:
    """One run that is hit until it is over."""

    def __init__(self, home: Home, run_id: str, kind: str, kill: Kill, rng: random.Random) -> None:
        self.run_id = run_id
        self.faults: list[Fault] = []
        self._home, self._kind, self._kill, self._rng = home, kind, kill, rng
        self._unsettled: tuple[Fault, float] | None = None

    def strike(self, moments: tuple[str, ...] = ()) -> bool:
        """Hit the attempt that is on, or the next one, at one of `moments` where given; False once the run is over."""
        self._home.await_warm(2)
        found = self._await_trainer()
        if found is None:
            return False
        run, trainer = found
        if not moments:
            is_early = run.idle_attempts == 0 and self._rng.random() < _EARLY_SHARE
            moments = EARLY if is_early else LATE
        if moments is LATE:
            self.settle()
            self._await_progress(run)
        attempt, moment = Attempt(self._home, run), self._rng.choice(moments)
        if await_moment(attempt, trainer, moment, self._rng):
            self._hit(run, trainer, moment, attempt)
        return True

    def settle(self) -> None:
        """Measure how long the run took to go on after the last fault: until its next metric, or its end."""
        if self._unsettled is None:
            return
        fault, struck_at = self._unsettled
        self._unsettled = None
        self._home.await_metric(self.run_id, fault.epoch, _PATIENCE_SECONDS)
        took = time.time() - struck_at
        fault.seconds["next_metric" if self._home.measured_after(self.run_id, fault.epoch) else "end"] = took

    def _hit(self, run: Run, trainer: int, moment: str, attempt: Attempt) -> None:
        fault = Fault(self._kind, moment, run.id, run.epoch, attempt.phase, attempt.step)
        struck_at = time.time()
        followers = self._kill(self._home, run, trainer)
        fault.seconds["gone"] = seconds_until(lambda: not alive([trainer]), _PATIENCE_SECONDS, "the trainer is gone")
        fault.seconds["all_gone"] = seconds_until(lambda: not alive(followers), _PATIENCE_SECONDS, "all are gone")
        fault.facts["cut_checkpoints"] = len(attempt.partial_checkpoints)
        self._home.replace_dead()
        self._requeue(fault, struck_at)
        self.faults.append(fault)
        self._unsettled = fault, struck_at

    def _requeue(self, fault: Fault, struck_at: float) -> None:
        """Measure by the run's own journal, which does not depend on how often it is looked at."""
        run = self._home.await_run(
            fault.run_id, lambda run: run.epoch > fault.epoch or not run.is_active, "taken back", _PATIENCE_SECONDS
        )
        fault.facts["outcome"] = run.status
        handed_back_at = self._home.when(run.id, "handed_back", after=struck_at)
        if handed_back_at is not None:
            fault.seconds["requeue"] = handed_back_at - struck_at

    def _await_trainer(self) -> tuple[Run, int] | None:
        """The attempt that is on and its trainer; None once the run is over."""

        def look() -> tuple[Run, int | None] | None:
            run = self._home.read(self.run_id)
            trainer = self._home.trainer_of(run)
            return (run, trainer) if trainer or run.is_over else None

        run, trainer = await_that(look, _PATIENCE_SECONDS, "a trainer, or the end")
        return (run, trainer) if trainer else None

    def _await_progress(self, run: Run) -> None:
        """After an attempt without a checkpoint, wait for one: three idle attempts in a row would end the run."""
        if run.idle_attempts:
            self._home.await_run(
                run.id,
                lambda now: (
                    now.epoch > run.epoch or now.is_over or (now.checkpoint_step or 0) > (now.claimed_step or 0)
                ),
                "a checkpoint",
            )


def _kill_trainer(home: Home, run: Run, trainer: int) -> set[int]:
    os.kill(trainer, signal.SIGKILL)
    return {trainer}


def _kill_worker(home: Home, run: Run, trainer: int) -> set[int]:
    holder = home.holder_of(run)
    assert holder is not None
    return holder.kill()
