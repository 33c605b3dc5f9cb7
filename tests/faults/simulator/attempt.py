"""One attempt of a simulated worker: follows its trainer, and brings what becomes of it into the database.

What it decides, it decides with the product's own code; only processes, files and waiting are simulated.
"""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.orm import Session

from studio import adapters, runs
from studio.runs import Checkpoint, Holder, Lease, LeaseLost, Run
from studio.storage import StoredFile
from tests.faults.simulator.clock import Steps
from tests.faults.simulator.database import Away
from tests.faults.simulator.disk import Saved
from tests.faults.simulator.trainer import Trainer
from worker.attempt import Said
from worker.keeper import Ending, Verdict
from worker.outcome import (
    Cancel,
    Crash,
    Drop,
    Fail,
    Finish,
    HandBack,
    Left,
    Outcome,
    Wait,
    after_child,
    after_interruption,
)

if TYPE_CHECKING:
    from tests.faults.simulator.worker import Worker
    from tests.faults.simulator.world import World

LOOK_SECONDS = 10.0
HANG_SECONDS = 45.0
SAVE_SECONDS = 50.0
_Result = TypeVar("_Result")


class Unwritten(Exception):
    """The database is away and the worker must leave."""


class Attempt:
    """A claim that its worker believes in, until it hears otherwise."""

    def __init__(self, world: "World", worker: "Worker", lease: Lease) -> None:
        self._world = world
        self._worker = worker
        self.lease = lease
        self._holder = Holder(world.clock.now)
        self.trainer: Trainer | None = None
        self._said = Said()
        self._recorded = 0
        self._told: Ending | None = None
        self._told_at = 0.0
        self._told_to_finish = False
        self._last_sign_at = world.clock.now
        self._hung_seconds: float | None = None

    def run(self) -> Steps:
        """From the claim to the last write."""
        try:
            yield from self._close((yield from self._train()))
        except (LeaseLost, Unwritten):
            # Another holds the run, or nobody: the lease runs out.
            return

    def keep(self) -> Steps:
        """The thread that renews the lease and hears what people want."""
        world, holder, lease = self._world, self._holder, self.lease
        while holder.verdict(world.clock.now) != "lost":
            yield LOOK_SECONDS
            # The product looks each second without a lock, and renews each ten; here one transaction does both.
            try:
                desired = world.database.write(lambda session: runs.renew(session, lease, rules=world.rules))
            except LeaseLost:
                holder.refused()
            except Away:
                continue
            else:
                holder.renewed(world.clock.now)
                holder.hear(desired, world.clock.now)

    def _verdict(self) -> Verdict:
        verdict = self._holder.verdict(self._world.clock.now)
        return "stopped" if self._worker.stopping and verdict not in ("lost", "cancel") else verdict

    def _train(self) -> Generator[float, None, Outcome]:
        try:
            run, saved = yield from self._find_start()
            if run.desired == "keep" and saved is None:
                self._world.ledger.accounts[run.id].had_nothing_to_keep = True
                return after_interruption("keep")
            verdict = self._verdict()
            if verdict != "go_on" and verdict != "keep":
                return after_interruption(verdict)
            self.trainer = Trainer(self._world, self.lease, saved, keep_only=run.desired == "keep")
            return (yield from self._follow(self.trainer, finishes=run.desired != "keep"))
        except LeaseLost:
            return Drop()
        except Unwritten:
            return after_interruption("leave")

    def _find_start(self) -> Generator[float, None, tuple[Run, Saved | None]]:
        """The newest committed checkpoint that is whole on disk."""
        world, lease = self._world, self.lease

        def _read(session: Session) -> tuple[Run, Checkpoint | None]:
            return session.get_one(Run, lease.run_id), runs.committed_checkpoint(session, lease.run_id)

        run, checkpoint = yield from self._write(_read)
        while checkpoint is not None and world.disk.committed(checkpoint).is_damaged:
            checkpoint = yield from self._write(self._falling_back(checkpoint))
        if world.variant.resumes_newest:
            return run, world.disk.newest(run.id)
        return run, world.disk.committed(checkpoint) if checkpoint else None

    def _falling_back(self, damaged: Checkpoint) -> Callable[[Session], Checkpoint | None]:
        return lambda session: runs.fall_back(session, self.lease, damaged, rules=self._world.rules)

    def _follow(self, trainer: Trainer, *, finishes: bool) -> Generator[float, None, Outcome]:
        while trainer.exit_code is None:
            yield self._world.random.uniform(3.0, 9.0)
            self._pass_on(trainer, finishes=finishes)
            self._look_after(trainer)
            self._ship(trainer)
        while self._told != "lost" and not self._ship(trainer):
            yield from self._wait()
        return after_child(self._said, Left(trainer.exit_code, self._told, self._told_to_finish, self._hung_seconds))

    def _pass_on(self, trainer: Trainer, *, finishes: bool) -> None:
        verdict = self._verdict()
        if verdict == "keep":
            trainer.must_finish = self._told_to_finish = finishes
        elif verdict in ("cancel", "lost"):
            self._told = verdict
            trainer.kill()
        elif verdict != "go_on" and self._told is None:
            self._told, self._told_at = verdict, self._world.clock.now
            trainer.must_save = True

    def _look_after(self, trainer: Trainer) -> None:
        now = self._world.clock.now
        if self._told is not None:
            if now - self._told_at >= SAVE_SECONDS:
                trainer.kill()
        elif now - self._last_sign_at >= HANG_SECONDS:
            self._hung_seconds = now - self._last_sign_at
            trainer.kill()

    def _ship(self, trainer: Trainer) -> bool:
        """Record what is new; while the database is away it stays in the file. Whether all is written."""
        batch = trainer.events[self._recorded :]
        if not batch:
            return True
        self._last_sign_at = self._world.clock.now
        try:
            self._world.database.write(
                lambda session: runs.record(session, self.lease, batch, rules=self._world.rules),
                lambda _: self._world.ledger.recorded(self.lease.run_id, batch),
            )
        except Away:
            return False
        self._recorded += len(batch)
        self._said.hear(batch)
        return True

    def _close(self, outcome: Outcome) -> Steps:
        lease, rules = self.lease, self._world.rules
        account = self._world.ledger.accounts[lease.run_id]
        match outcome:
            case Finish():
                yield from self._register(outcome)
            case Fail(kind, reason):
                yield from self._write(lambda s: runs.end(s, lease, "failed", kind=kind, reason=reason, rules=rules))
            case Cancel(reason):
                yield from self._write(lambda s: runs.end(s, lease, "cancelled", reason=reason, rules=rules))
            case Crash(sentence, is_hang):
                yield from self._write(
                    lambda s: runs.retry_or_give_up(s, lease, sentence, is_hang=is_hang, rules=rules),
                    lambda _: account.crashed(is_hang=is_hang),
                )
            case HandBack(why):
                yield from self._write(lambda s: runs.hand_back(s, lease, why, rules=rules))
            case Wait() | Drop():
                return
        self._world.hint_once(lease.run_id)

    def _register(self, outcome: Finish) -> Steps:
        """Files before rows; what was refused leaves no file."""
        world, lease = self._world, self.lease
        assert self.trainer is not None and self.trainer.exported is not None
        stored = StoredFile(adapters.archive_key(lease.run_id, lease.epoch), "0" * 64, 1)
        world.disk.archives[stored.key] = self.trainer.exported
        yield world.random.uniform(0.5, 2.0)
        try:
            yield from self._write(lambda s: adapters.register(s, lease, outcome.exported, stored, rules=world.rules))
        except LeaseLost:
            del world.disk.archives[stored.key]
            desired = yield from self._write(lambda s: runs.renew(s, lease, rules=world.rules))
            if desired == "cancel":
                yield from self._write(lambda s: runs.end(s, lease, "cancelled", rules=world.rules))

    def _write(
        self, action: Callable[[Session], _Result], committed: Callable[[_Result], None] = lambda _: None
    ) -> Generator[float, None, _Result]:
        """In a transaction, again and again while the database is away."""
        while True:
            try:
                return self._world.database.write(action, committed)
            except Away:
                yield from self._wait()

    def _wait(self) -> Steps:
        """Until the next try; a worker that must leave has had its one try."""
        if self._verdict() in ("stopped", "leave"):
            raise Unwritten
        yield self._world.random.uniform(1.0, 3.0)
