"""The trainer's side of the contract: steps, checkpoints, events in a file, and the signals that it answers."""

from typing import TYPE_CHECKING

from studio.runs import Event, Lease
from studio.runs.events import Checkpointed, Exported, Measured, PhaseBegan, Resumed
from tests.faults.simulator.clock import Steps
from tests.faults.simulator.disk import Saved

if TYPE_CHECKING:
    from tests.faults.simulator.world import World

TOTAL_STEPS = 12
STEP_SECONDS = 5.0
EVALUATE_SECONDS = 8.0
CHECKPOINT_STEPS = 3
EVALUATE_STEPS = 4
EXIT_KILLED = -9
EXIT_DONE = 0
EXIT_SAVED = 75


class Trainer:
    """One attempt's child process. Its events outlive it, as a file does."""

    def __init__(self, world: "World", lease: Lease, saved: Saved | None, *, keep_only: bool) -> None:
        self._world = world
        self._random = world.random
        self._lease = lease
        self._chain = list(saved.chain) if saved else []
        self._is_evaluated = saved.is_evaluated if saved else True
        self._saved = (len(self._chain), self._is_evaluated)
        self._keep_only = keep_only
        self.events: list[Event] = []
        self.exported: Saved | None = None
        self.exit_code: int | None = None
        self.must_save = self.must_finish = self.is_hung = False
        self.process = world.clock.spawn(self._live())

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        if self.exit_code is None:
            self.exit_code = EXIT_KILLED

    def _live(self) -> Steps:
        yield from self._pass(STEP_SECONDS)
        if not self._keep_only:
            yield from self._train()
        if self.exit_code is None:
            yield from self._export()

    def _train(self) -> Steps:
        if self._chain:
            self.events.append(Resumed(step=len(self._chain)))
        self.events.append(PhaseBegan(phase="training"))
        while True:
            if not self._is_evaluated:
                yield from self._evaluate()
            if self.must_save:
                yield from self._save()
                self.exit_code = EXIT_SAVED
                return
            if len(self._chain) == TOTAL_STEPS or (self.must_finish and self._chain):
                return
            if len(self._chain) % CHECKPOINT_STEPS == 0:
                yield from self._save()
            yield from self._pass(STEP_SECONDS)
            self._step()

    def _step(self) -> None:
        self._chain.append(self._random.random())
        step = len(self._chain)
        self._is_evaluated = step % EVALUATE_STEPS != 0
        self.events.append(Measured(step=step, values={"train/loss": self._chain[-1]}))

    def _evaluate(self) -> Steps:
        """It tells everything at its end; who must save meanwhile leaves it to the next attempt."""
        yield from self._pass(EVALUATE_SECONDS)
        if self.must_save:
            return
        self._is_evaluated = True
        self.events.append(Measured(step=len(self._chain), values={"eval/loss": -self._chain[-1]}))

    def _save(self) -> Steps:
        """A folder, then the word of it; between the two a crash leaves an orphan."""
        known = (len(self._chain), self._is_evaluated)
        if known == self._saved:
            return
        yield from self._pass(1.0)
        saved = self._state()
        self._world.disk.publish(self._lease.run_id, self._lease.epoch, saved)
        yield from self._pass(0.5)
        self._saved = known
        self.events.append(Checkpointed(step=saved.step, manifest_sha256="0" * 64, size_bytes=1))

    def _state(self) -> Saved:
        return Saved(tuple(self._chain), self._world.clock.now, self._is_evaluated)

    def _export(self) -> Steps:
        self.events.append(PhaseBegan(phase="exporting"))
        yield from self._pass(STEP_SECONDS)
        self.exported = self._state()
        self.events.append(
            Exported(
                archive="adapter.zip",
                sha256="0" * 64,
                size_bytes=1,
                files=[],
                step=len(self._chain),
                validation_loss=None,
                trained_parameters=1,
                base_revision=None,
            )
        )
        self.exit_code = EXIT_DONE

    def _pass(self, seconds: float) -> Steps:
        yield seconds * self._random.uniform(0.5, 1.5)
        while self.is_hung:
            yield 3600.0
