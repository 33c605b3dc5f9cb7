"""One schedule: three workers, three runs, and everything that goes wrong, replayed exactly from its seed."""

from datetime import UTC, datetime, timedelta
from random import Random

from studio.actors import LOCAL_ACTOR
from studio.runs import Lease, Run, RunSpec
from tests.faults.simulator.clock import Clock, Steps
from tests.faults.simulator.database import Database, Tables
from tests.faults.simulator.disk import Disk
from tests.faults.simulator.faults import strike
from tests.faults.simulator.ledger import Ledger
from tests.faults.simulator.trainer import TOTAL_STEPS
from tests.faults.simulator.variants import Variant
from tests.faults.simulator.website import RESTART_SECONDS, keep_house, observe, watch
from tests.faults.simulator.worker import Worker

WORKERS = 3
RUNS = 3
LONGEST_SECONDS = 4 * 3600.0


class World:
    """Everything that a simulated process can see."""

    def __init__(self, tables: Tables, variant: Variant, seed: int) -> None:
        self.random = Random(seed)
        self.clock = Clock(self.random)
        self.database = Database(tables, self.clock)
        self.variant = variant
        self.rules = variant.rules(self.database.now)
        self.disk = Disk()
        self.ledger = Ledger()
        self.hints: list[str] = []
        self.workers: list[Worker] = []
        self.left_paused: set[str] = set()
        self.is_calm = self.is_settled = False
        self.run_ids = [f"run_{seed}_{number}" for number in range(RUNS)]
        self.database.write(lambda session: session.add_all(_runs(self.run_ids, tables.version_id)))
        for run_id in self.run_ids:
            self.clock.spawn(self._launch(run_id))
            self.clock.spawn(watch(self, run_id))
        for slot in range(WORKERS):
            self.clock.spawn(self._employ(slot))
        for _ in range(2):
            self.clock.spawn(keep_house(self))
        self.clock.spawn(strike(self))
        self.clock.spawn(observe(self))

    def play(self) -> Ledger:
        """Until nothing happens any more."""
        self.clock.run(lambda: self.is_settled, LONGEST_SECONDS)
        self.database.away_until = 0.0
        self.database.next_commit = None
        self.database.write(lambda session: self.ledger.judge(session, self.disk))
        return self.ledger

    def hint_once(self, run_id: str) -> None:
        """What a studio does that sends a hint whenever it requeues, and never again."""
        if not self.variant.looks_again:
            self.hints.append(run_id)

    def note_claim(self, lease: Lease, *, was_ready: bool) -> None:
        """A claim was committed."""
        held = [worker.attempt.lease for worker in self.workers if worker.is_alive and worker.attempt]
        believers = sum(other.run_id == lease.run_id for other in held)
        self.ledger.claimed(lease, was_ready=was_ready, believers=believers)

    def note_reaped(self, run_ids: list[str]) -> None:
        """Runs were taken back."""
        for run_id in run_ids:
            self.ledger.accounts[run_id].crashed()
            self.hint_once(run_id)

    def _launch(self, run_id: str) -> Steps:
        """The hint of a launch, sent after its commit."""
        yield self.random.uniform(0.0, 20.0)
        self.hints.append(run_id)

    def _employ(self, slot: int) -> Steps:
        """Keep one worker alive: what starts it again when it is gone."""
        incarnation = 0
        while True:
            worker = Worker(self, f"worker-{slot}-{incarnation}")
            self.workers[slot : slot + 1] = [worker]
            while worker.is_alive:
                yield 5.0
            yield self.random.uniform(*RESTART_SECONDS)
            incarnation += 1


def play(tables: Tables, variant: Variant, seed: int) -> Ledger:
    """Play one seed on emptied tables; `wrong` of what comes back is empty when all ended as it should."""
    tables.empty()
    return World(tables, variant, seed).play()


def _runs(run_ids: list[str], version_id: str) -> list[Run]:
    spec = RunSpec.model_validate({"data": {"dataset_version_id": version_id, "sha256": "0" * 64}})
    return [
        Run(
            id=run_id,
            owner_id=LOCAL_ACTOR.id,
            name=run_id,
            spec=spec.model_dump(mode="json"),
            method=spec.method.kind,
            base_model=spec.base_model.id,
            dataset_version_id=version_id,
            total_steps=TOTAL_STEPS,
            queued_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
        )
        for number, run_id in enumerate(run_ids)
    ]
