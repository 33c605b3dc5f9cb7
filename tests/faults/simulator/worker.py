"""A simulated worker process: one slot, which hints and a clock both fill."""

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from studio import runs
from studio.runs import Lease, Run
from tests.faults.simulator.attempt import Attempt
from tests.faults.simulator.clock import Process, Steps
from tests.faults.simulator.database import Away

if TYPE_CHECKING:
    from tests.faults.simulator.world import World

POLL_SECONDS = 30.0


class Worker:
    """Lives until it is killed, or has left after being asked to."""

    def __init__(self, world: "World", owner: str) -> None:
        self._world = world
        self.owner = owner
        self.is_alive = True
        self.stopping = False
        self.attempt: Attempt | None = None
        self._threads: list[Process] = [world.clock.spawn(self._live())]

    def kill(self) -> None:
        """SIGKILL; the trainer dies with its parent."""
        self.is_alive = False
        for process in self._processes():
            process.kill()
        self.attempt = None

    def freeze(self, until: float, *, with_trainer: bool) -> None:
        """SIGSTOP, and SIGCONT at `until`."""
        for process in self._processes() if with_trainer else self._threads:
            process.frozen_until = until

    def _processes(self) -> list[Process]:
        trainer = self.attempt.trainer if self.attempt else None
        return [*self._threads, *([trainer.process] if trainer else [])]

    def _live(self) -> Steps:
        world = self._world
        next_look = world.clock.now if world.variant.looks_again else float("inf")
        while not self.stopping:
            yield world.random.uniform(1.0, 4.0)
            run_id = world.hints.pop(0) if world.hints else None
            if run_id is None and world.clock.now < next_look:
                continue
            while not self.stopping and (lease := self._claim(run_id)) is not None:
                yield from self._supervise(lease)
                run_id = None
            if world.clock.now >= next_look:
                next_look = world.clock.now + POLL_SECONDS
        self.is_alive = False

    def _claim(self, hinted: str | None) -> Lease | None:
        world = self._world
        was_ready = True

        def _take(session: Session) -> Lease | None:
            nonlocal was_ready
            if hinted is None:
                return runs.claim_next(session, self.owner, rules=world.rules)
            ready = runs.Rules(world.database.now).claimable(hinted)
            was_ready = session.scalar(select(Run.id).where(ready)) is not None
            return runs.claim(session, hinted, self.owner, rules=world.rules)

        def _note(lease: Lease | None) -> None:
            if lease is not None:
                world.note_claim(lease, was_ready=was_ready)

        try:
            return world.database.write(_take, _note)
        except Away:
            return None
        except IntegrityError:
            world.ledger.wrong["a claim of a run that is over"] += 1
            return None

    def _supervise(self, lease: Lease) -> Steps:
        self.attempt = attempt = Attempt(self._world, self, lease)
        keeper = self._world.clock.spawn(attempt.keep())
        self._threads.append(keeper)
        yield from attempt.run()
        keeper.kill()
        self._threads.remove(keeper)
        if attempt.trainer is not None:
            attempt.trainer.kill()
        self.attempt = None
