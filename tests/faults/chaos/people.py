"""Cancel, pause and keep at random instants of real runs: each has one outcome, and the page's promise is kept."""

import contextlib
import random
import time

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.db import transaction
from studio.errors import Conflict
from studio.runs import Run
from tests.faults.chaos.home import Home
from tests.faults.chaos.ledger import Ledger, Trajectory, trajectory
from tests.faults.chaos.processes import alive, await_that
from tests.faults.chaos.report import Fault, Report

ACTIONS = ("cancel", "pause", "keep")
# Behind the launch, the longest instant: a run takes 10 s, so some are asked for after the end.
_LATEST_SECONDS = 11.0


def act_on_runs(home: Home, ledger: Ledger, *, count: int, seed: int) -> Report:
    """Ask `count` times, the three actions in turn; a paused run is resumed and ends as if nothing had happened."""
    rng = random.Random(seed)
    like = ledger.undisturbed()
    faults = [_act(home, ledger, like, ACTIONS[number % len(ACTIONS)], rng) for number in range(count)]
    return Report("people", seed, faults, ledger.count())


def _act(home: Home, ledger: Ledger, like: Trajectory, action: str, rng: random.Random) -> Fault:
    home.await_warm(2)
    run_id = ledger.launch(name=action)
    # Half of them anywhere, half near the end, where the click and the result may meet.
    if rng.random() < 0.5:
        time.sleep(rng.uniform(0, _LATEST_SECONDS))
    else:
        home.await_run(run_id, lambda run: run.is_over or run.step >= run.total_steps - 1, "it is near its end")
        time.sleep(rng.uniform(0, 0.8))
    run = home.read(run_id)
    trainer = home.trainer_of(run)
    fault = Fault("people", action, run_id, run.epoch, run.phase, run.step)
    asked_at = time.time()
    was_taken = _ask(home, run_id, action)
    fault.facts["refused"] = not was_taken
    if was_taken:
        settled = home.await_run(run_id, lambda now: now.is_over or now.is_paused, f"{action} is done", 60)
        fault.seconds[action] = time.time() - asked_at
        await_that(lambda: trainer is None or not alive([trainer]), 5, "its trainer is gone")
        _expect(home, ledger, like, settled, action)
        ledger.hit(run_id)
    fault.facts["outcome"] = home.await_over(run_id).status
    return fault


def _ask(home: Home, run_id: str, action: str) -> bool:
    """Ask twice, as a double click does; False when the run was over before, which is told."""
    try:
        _do(home, run_id, action)
    except Conflict:
        return False
    with contextlib.suppress(Conflict):
        # The first click may have ended it by now.
        _do(home, run_id, action)
    return True


def _do(home: Home, run_id: str, action: str) -> None:
    if action == "keep":
        runs.keep(home.session_factory, LOCAL_ACTOR, run_id, queue=home.queue, settings=home.settings)
        return
    with transaction(home.session_factory) as session:
        if action == "cancel":
            runs.cancel(session, LOCAL_ACTOR, run_id)
        elif action == "pause":
            runs.pause(session, LOCAL_ACTOR, run_id)
        else:
            runs.resume(session, LOCAL_ACTOR, run_id, queue=home.queue)


def _expect(home: Home, ledger: Ledger, like: Trajectory, run: Run, action: str) -> None:
    """What the run has to come to after an action that was accepted."""
    if action == "cancel":
        ledger.expect(run.id, "cancelled")
    elif action == "pause" and run.is_paused:
        _do(home, run.id, "resume")
    elif action == "keep" and run.status == "cancelled":
        assert run.checkpoint_step is None, home.describe(run.id)
        ledger.expect(run.id, "cancelled")
    elif action == "keep":
        ledger.expect(run.id, "succeeded")
        _check_kept(like, trajectory(home, run.id))


def _check_kept(like: Trajectory, kept: Trajectory) -> None:
    """What was measured until the stop is what an undisturbed run measures; the adapter is of its best step."""
    for key, value in kept.points.items():
        assert like.points.get(key, value) == value, f"{key}: {like.points[key]} undisturbed, {value} here"
    losses = {step: float.fromhex(value) for (name, step), value in kept.points.items() if name == "eval/loss" and step}
    best = min(losses, key=lambda step: (losses[step], step))
    assert kept.adapter_step == best, f"the adapter is of step {kept.adapter_step}, the best is {best}: {losses}"
