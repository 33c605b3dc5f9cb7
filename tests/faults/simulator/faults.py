"""What goes wrong, and when: drawn from the seed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.faults.simulator.clock import Steps
from tests.faults.simulator.website import reap_dead, wish

if TYPE_CHECKING:
    from tests.faults.simulator.worker import Worker
    from tests.faults.simulator.world import World

FAULTS_A_SCHEDULE = 20
MEAN_GAP_SECONDS = 10.0
# Some faults follow the one before within a second or two.
TOGETHER = 0.25
# Less than a lease, or more.
FREEZE_SECONDS = (20.0, 160.0)
OUTAGE_SECONDS = (5.0, 150.0)
# Longer than a holder waits for the database before it leaves.
LONG_OUTAGE_SECONDS = 2000.0
LONG_OUTAGES = 0.03
FORGED = ("run_forged", "", "run_' OR 1=1 --")

Fault = Callable[["World"], bool]


def strike(world: "World") -> Steps:
    """One fault after the other, until there were enough or nothing is left to disturb."""
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    while world.ledger.faults.total() < FAULTS_A_SCHEDULE and not world.is_settled:
        is_second_of_two = world.random.random() < TOGETHER
        yield world.random.expovariate(1.0 if is_second_of_two else 1 / MEAN_GAP_SECONDS)
        name = world.random.choices(names, weights)[0]
        if FAULTS[name](world):
            world.ledger.faults[name] += 1
    world.is_calm = True


def _busy(world: "World") -> "Worker | None":
    """Any worker that has a trainer."""
    found = [w for w in world.workers if w.is_alive and w.attempt and w.attempt.trainer]
    return world.random.choice(found) if found else None


def _alive(world: "World") -> "Worker | None":
    found = [worker for worker in world.workers if worker.is_alive]
    return world.random.choice(found) if found else None


def _any_run(world: "World") -> str:
    return world.random.choice(world.run_ids)


def _kill_trainer(world: "World") -> bool:
    worker = _busy(world)
    if worker is None or worker.attempt is None or worker.attempt.trainer is None:
        return False
    worker.attempt.trainer.kill()
    return True


def _kill_worker(world: "World") -> bool:
    worker = _alive(world)
    if worker is None:
        return False
    worker.kill()
    if world.random.random() < 0.5:
        reap_dead(world, worker.owner)
    return True


def _freeze_worker(world: "World") -> bool:
    worker = _alive(world)
    if worker is None:
        return False
    until = world.clock.now + world.random.uniform(*FREEZE_SECONDS)
    worker.freeze(until, with_trainer=world.random.random() < 0.5)
    return True


def _drain_worker(world: "World") -> bool:
    worker = _alive(world)
    if worker is None or worker.stopping:
        return False
    worker.stopping = True
    return True


def _hang_trainer(world: "World") -> bool:
    worker = _busy(world)
    if worker is None or worker.attempt is None or worker.attempt.trainer is None:
        return False
    worker.attempt.trainer.is_hung = True
    return True


def _flush_hints(world: "World") -> bool:
    world.hints.clear()
    return True


def _lose_hint(world: "World") -> bool:
    """A worker took it and died of something else: Kombu pops before it writes down that it did."""
    if not world.hints:
        return False
    world.hints.pop(0)
    return True


def _double_hint(world: "World") -> bool:
    world.hints += [_any_run(world)] * 3
    return True


def _forge_hint(world: "World") -> bool:
    world.hints.append(world.random.choice(FORGED))
    return True


def _database_outage(world: "World") -> bool:
    is_long = world.random.random() < LONG_OUTAGES
    seconds = LONG_OUTAGE_SECONDS if is_long else world.random.uniform(*OUTAGE_SECONDS)
    world.database.away_until = world.clock.now + seconds
    return True


def _next_commit(fate: str) -> Fault:
    def _set(world: "World") -> bool:
        world.database.next_commit = fate
        return True

    return _set


def _damage(world: "World") -> bool:
    whole = [saved for saved in world.disk.folders.values() if not saved.is_damaged]
    if not whole:
        return False
    world.random.choice(whole).is_damaged = True
    return True


def _wish(what: str) -> Fault:
    def _click(world: "World") -> bool:
        wish(world, what, _any_run(world))
        return True

    return _click


FAULTS: dict[str, Fault] = {
    "kill -9 of a trainer": _kill_trainer,
    "kill -9 of a worker": _kill_worker,
    "freeze of a worker": _freeze_worker,
    "SIGTERM of a worker": _drain_worker,
    "hung trainer": _hang_trainer,
    "all hints lost": _flush_hints,
    "a hint lost": _lose_hint,
    "a hint three times": _double_hint,
    "a forged hint": _forge_hint,
    "database away": _database_outage,
    "a commit lost": _next_commit("lost"),
    "a commit unheard": _next_commit("unheard"),
    "a checkpoint damaged": _damage,
    "cancel": _wish("cancel"),
    "pause": _wish("pause"),
    "resume": _wish("resume"),
    "keep": _wish("keep"),
}
WEIGHTS: dict[str, float] = {
    "kill -9 of a trainer": 3.0,
    "kill -9 of a worker": 3.0,
    "freeze of a worker": 4.0,
    "SIGTERM of a worker": 2.0,
    "hung trainer": 0.7,
    "all hints lost": 1.5,
    "a hint lost": 1.5,
    "a hint three times": 1.5,
    "a forged hint": 0.5,
    "database away": 1.5,
    "a commit lost": 2.0,
    "a commit unheard": 2.0,
    "a checkpoint damaged": 1.0,
    "cancel": 0.5,
    "pause": 0.8,
    "resume": 0.8,
    "keep": 0.4,
}
