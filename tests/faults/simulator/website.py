"""Everything beside the workers: housekeepers, people, viewers, and the observer who ends a schedule."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.errors import Conflict
from studio.runs import TERMINAL, ReapGrace, Run
from studio.runs.actions import stop_and_keep
from tests.faults.simulator.clock import Steps
from tests.faults.simulator.database import Away

if TYPE_CHECKING:
    from tests.faults.simulator.world import World

# Two keep house, so that together they do it about every ten seconds.
HOUSEKEEPING_SECONDS = (10.0, 30.0)
OBSERVING_SECONDS = 30.0
RESUMED_IN_THE_END = 0.7
RESTART_SECONDS = (5.0, 30.0)


class Hints:
    """Where hints are sent: they can be lost, doubled and forged."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def send(self, run_id: str) -> None:
        """Hint that a run may be ready."""
        self._world.hints.append(run_id)


def keep_house(world: "World") -> Steps:
    """Take back silent runs and send hints again; two of these run at once."""
    grace = ReapGrace(world.clock.now)
    while True:
        yield world.random.uniform(*HOUSEKEEPING_SECONDS)
        try:
            if grace.is_over(world.clock.now):
                world.database.write(lambda session: runs.reap(session, rules=world.rules), world.note_reaped)
            if world.variant.looks_again:
                world.hints += world.database.write(lambda session: runs.take_due(session, rules=world.rules))
        except Away:
            grace.begin(world.clock.now)


def reap_dead(world: "World", owner: str) -> None:
    """The worker's own starter knows that it is dead, and need not wait for the lease."""
    try:
        world.database.write(
            lambda session: runs.reap(session, dead_owners=(owner,), rules=world.rules), world.note_reaped
        )
    except Away:
        return


def wish(world: "World", what: str, run_id: str) -> None:
    """A person clicks; what was refused is no wish."""
    actions: dict[str, Callable[[Session], Run]] = {
        "cancel": lambda session: runs.cancel(session, LOCAL_ACTOR, run_id),
        "pause": lambda session: runs.pause(session, LOCAL_ACTOR, run_id),
        "resume": lambda session: runs.resume(session, LOCAL_ACTOR, run_id, queue=Hints(world)),
        "keep": lambda session: stop_and_keep(session, LOCAL_ACTOR, run_id, queue=Hints(world)),
    }
    try:
        world.database.write(actions[what], lambda _: world.ledger.accounts[run_id].wishes.add(what))
    except (Away, Conflict):
        return


def watch(world: "World", run_id: str) -> Steps:
    """A viewer with the run's page open, who asks for what is new."""
    while True:
        yield world.random.uniform(20.0, 100.0)
        try:
            world.database.write(lambda session: world.ledger.watch(session, run_id))
        except Away:
            continue


def observe(world: "World") -> Steps:
    """End the schedule once nothing will happen any more; before, most of the paused runs are resumed."""
    while True:
        yield OBSERVING_SECONDS
        try:
            found = world.database.write(
                lambda session: session.execute(select(Run.id, Run.status, Run.desired).order_by(Run.id)).all()
            )
        except Away:
            continue
        paused = [run_id for run_id, status, desired in found if status == "queued" and desired == "pause"]
        if world.is_calm:
            for run_id in paused:
                if run_id not in world.left_paused and world.random.random() < RESUMED_IN_THE_END:
                    wish(world, "resume", run_id)
                else:
                    world.left_paused.add(run_id)
        over = sum(status in TERMINAL for _, status, _ in found)
        world.is_settled = over + len(world.left_paused) == len(found)
