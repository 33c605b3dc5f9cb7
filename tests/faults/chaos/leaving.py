"""SIGTERM of a worker in each phase of an attempt, as a deploy or a spot instance sends it."""

import random
import time
from dataclasses import dataclass
from functools import partial

from studio.runs import Run
from tests.faults.chaos.home import ROOT, Home
from tests.faults.chaos.ledger import Ledger
from tests.faults.chaos.moments import Attempt, await_moment
from tests.faults.chaos.processes import alive, await_that, family, seconds_until
from tests.faults.chaos.report import Fault, Report
from tests.worker.hub import Hub

PHASES = ("download", "load", "tokenise", "first step", "step", "evaluate", "checkpoint", "export")
MODEL = "acme/demo"
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class _Caught:
    """An attempt at the moment that was wanted."""

    run: Run
    child: int
    attempt: Attempt


def offer_demo_model(hub: Hub) -> None:
    """Put the demo model on the hub, so that a run has something to download."""
    folder = ROOT / "examples" / "demo-base-model"
    hub.add(MODEL, {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})


def ask_workers_to_leave(home: Home, ledger: Ledger, hub: Hub, phases: tuple[str, ...], *, seed: int) -> Report:
    """In each phase: SIGTERM, the run is handed back, another worker ends it."""
    rng = random.Random(seed)
    faults = [_leave_in(home, ledger, hub, phase, rng) for phase in phases]
    return Report("SIGTERM worker", seed, faults, ledger.count(), worker_is_lost=True)


def _leave_in(home: Home, ledger: Ledger, hub: Hub, phase: str, rng: random.Random) -> Fault:
    home.await_warm(2)
    caught = _catch_download(home, ledger, hub) if phase == "download" else _catch(home, ledger, phase, rng)
    run, attempt = caught.run, caught.attempt
    holder = home.holder_of(run)
    assert holder is not None
    fault = Fault("SIGTERM worker", phase, run.id, run.epoch, attempt.phase, attempt.step)
    followers, asked_at = family(holder.pid), time.time()
    holder.ask_to_leave()
    fault.expect("exit_code", holder.await_end(_PATIENCE_SECONDS), 0)
    fault.seconds["left"] = time.time() - asked_at
    fault.seconds["gone"] = seconds_until(lambda: not alive([caught.child]), 30, "the trainer is gone")
    fault.seconds["all_gone"] = seconds_until(lambda: not alive(followers), 30, "no process is left behind")
    hub.flowing.set()
    home.replace_dead()
    _see_what_was_saved(home, fault, attempt)
    ledger.hit(run.id)
    home.await_metric(run.id, run.epoch, _PATIENCE_SECONDS)
    fault.seconds["next_metric" if home.measured_after(run.id, run.epoch) else "end"] = time.time() - asked_at
    home.await_over(run.id)
    return fault


def _catch(home: Home, ledger: Ledger, phase: str, rng: random.Random) -> _Caught:
    """Launch runs until one is caught in the phase: the short ones may be over before they are seen."""
    for _ in range(10):
        run_id = ledger.launch(name=f"SIGTERM in {phase}")
        run, child = await_that(partial(_begun, home, run_id), _PATIENCE_SECONDS, "an attempt")
        attempt = Attempt(home, run)
        if await_moment(attempt, child, phase, rng):
            return _Caught(home.read(run_id), child, attempt)
        home.await_over(run_id)
    raise AssertionError(f"no attempt was caught in {phase}")


def _catch_download(home: Home, ledger: Ledger, hub: Hub) -> _Caught:
    hub.flowing.clear()
    spec = home.spec(base_model={"id": MODEL})
    run_id = ledger.launch(spec, name="SIGTERM in download", like=ledger.undisturbed())
    home.await_run(run_id, lambda run: run.phase == "downloading", "the download has begun")
    run, child = await_that(lambda: _begun(home, run_id), _PATIENCE_SECONDS, "the download's process")
    return _Caught(run, child, Attempt(home, run))


def _begun(home: Home, run_id: str) -> tuple[Run, int] | None:
    run = home.read(run_id)
    child = home.trainer_of(run)
    return (run, child) if child else None


def _see_what_was_saved(home: Home, fault: Fault, attempt: Attempt) -> None:
    """Count the optimizer steps that were done and are not in the committed checkpoint."""
    attempt.look()
    run = home.read(fault.run_id)
    fault.facts |= {"status": run.status, "step": attempt.step, "committed": run.checkpoint_step or 0}
    lost = 0 if run.status == "succeeded" else max(0, attempt.step - (run.checkpoint_step or 0))
    fault.expect("lost_steps", lost, 0)
