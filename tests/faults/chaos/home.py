"""A whole studio that chaos is done to: database, Valkey, workers and the demo model, all real, in one folder."""

import itertools
from pathlib import Path
from typing import Any

from studio import datasets, runs
from studio.actors import LOCAL_ACTOR
from studio.db import transaction
from studio.migrate import upgrade
from studio.queue import CeleryQueue
from studio.runs import Run, RunSpec, validate_spec
from studio.settings import Settings
from tests.faults.chaos.processes import Valkey, Worker, await_that
from tests.faults.chaos.records import Records

ROOT = Path(__file__).resolve().parents[3]
TICKETS = ROOT / "examples" / "support-tickets.jsonl"
CHECKPOINT_STEPS = 4
WARM_SECONDS = 120.0
# A run of about 10 s on two cores with six evaluations and eight checkpoints. Dropout makes it depend on the state of
# the random numbers, the accumulation on whole windows.
SPEC: dict[str, Any] = {
    "base_model": {"id": "demo"},
    "method": {"kind": "lora", "rank": 8, "alpha": 16, "dropout": 0.1},
    "data": {"max_length_tokens": 128},
    "hyperparameters": {
        "learning_rate": 1e-3,
        "max_steps": 32,
        "batch_size": 4,
        "gradient_accumulation_steps": 2,
        "precision": "float32",
    },
    "evaluation": {
        "every_steps": 7,
        "max_rows": 16,
        "sample_prompts": 1,
        "sample_tokens": 4,
        "early_stopping": {"patience": 0},
    },
}


class Home(Records):
    """One studio; `close` leaves no process behind."""

    def __init__(self, folder: Path, *, database_url: str | None = None, **environ: str) -> None:
        settings = Settings(data_dir=folder / "data", database_url=database_url)
        for path in (settings.data_dir, settings.logs_dir):
            path.mkdir(parents=True, exist_ok=True)
        upgrade(settings.sqlalchemy_url)
        super().__init__(settings)
        self.valkey = Valkey(settings.data_dir / "valkey")
        self.valkey.start()
        self.queue = CeleryQueue(self.valkey.url)
        self.workers: list[Worker] = []
        self._numbers = itertools.count(1)
        self._environ = environ
        self._version = self._import_dataset()

    def start_worker(self, **environ: str) -> Worker:
        """Start one more; it is warm after about 10 s, which nobody waits for here."""
        settings = {
            "TUNEWRIGHT_DATA_DIR": str(self.settings.data_dir),
            "TUNEWRIGHT_DATABASE_URL": self.settings.sqlalchemy_url,
            "TUNEWRIGHT_REDIS_URL": self.valkey.url,
            "TUNEWRIGHT_CHECKPOINT_STEPS": str(CHECKPOINT_STEPS),
        }
        name = f"worker-{next(self._numbers)}"
        worker = Worker(name, {**settings, **self._environ, **environ}, self.settings.logs_dir)
        self.workers.append(worker)
        return worker

    def replace_dead(self) -> None:
        """Start a worker for each one that has ended, as whatever supervises them does."""
        dead = [worker for worker in self.workers if not worker.is_running]
        self.workers = [worker for worker in self.workers if worker.is_running]
        for _ in dead:
            self.start_worker()

    def await_warm(self, count: int) -> list[Worker]:
        """Have at least `count` workers, all of them warm."""
        self.replace_dead()
        while len(self.workers) < count:
            self.start_worker()
        await_that(lambda: all(worker.is_warm for worker in self.workers), WARM_SECONDS, "all workers are warm")
        return self.workers

    def spec(self, **parts: dict[str, Any]) -> RunSpec:
        """The usual spec; parts of it may be changed."""
        data = {"dataset_version_id": self._version.id, "sha256": self._version.sha256}
        changed = {name: SPEC[name] | parts.pop(name, {}) for name in SPEC}
        changed["data"] |= data
        return validate_spec({**changed, **parts})

    def launch(self, spec: RunSpec | None = None, *, name: str = "") -> str:
        """Launch a run and send its hint; returns its id."""
        with transaction(self.session_factory) as session:
            run = runs.launch(
                session, LOCAL_ACTOR, spec or self.spec(), queue=self.queue, settings=self.settings, name=name
            )
            return run.id

    def holder_of(self, run: Run) -> Worker | None:
        """The worker process that holds the run."""
        return next((worker for worker in self.workers if worker.owns(run.owner)), None)

    def trainer_of(self, run: Run) -> int | None:
        """The process of the run's trainer (or download), if there is one now."""
        holder = self.holder_of(run)
        return holder.child_of(run.id, run.epoch) if holder and run.is_active else None

    def close(self) -> None:
        """End everything that was started."""
        for worker in self.workers:
            worker.end_everything()
        self.valkey.close()
        self.dispose()

    def _import_dataset(self) -> datasets.DatasetVersion:
        with datasets.Receiver(self.settings.uploads_dir, TICKETS.name, 2**30) as receiver:
            receiver.write(TICKETS.read_bytes())
            upload = receiver.finish()
        with transaction(self.session_factory) as session:
            return datasets.import_upload(session, LOCAL_ACTOR, upload, storage=self.storage).latest
