"""Who works and what waits, for the system page."""

from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from studio.actors import Actor
from studio.chores import Chore
from studio.db import database_seconds
from studio.runs import TERMINAL, Run, Worker

# A worker renews its row about every ten seconds.
SILENT_AFTER_SECONDS = 60.0
_MOST_RUNS = 200


@dataclass(frozen=True, slots=True)
class WorkerSight:
    """A worker as it was last heard of, by the database's clock; `run_name` is that of the run which it holds."""

    worker: Worker
    seconds_silent: float
    run_name: str

    @property
    def is_silent(self) -> bool:
        """It has missed several signs of life."""
        return self.seconds_silent > SILENT_AFTER_SECONDS


@dataclass(frozen=True, slots=True)
class QueueSight:
    """Runs that are not over, each list in the order in which they were queued."""

    running: list[Run] = field(default_factory=list)
    waiting: list[Run] = field(default_factory=list)
    paused: list[Run] = field(default_factory=list)


def list_workers(session: Session, actor: Actor) -> list[WorkerSight]:
    """Those that live first; the run of another person is not named."""
    silent = database_seconds() - Worker.last_seen
    held = (Run.id == Worker.run_id) & (Run.owner_id == actor.id)
    query = select(Worker, silent, Run.name).join(Run, held, isouter=True).order_by(Worker.last_seen.desc())
    return [WorkerSight(worker, max(0.0, seconds), name or "") for worker, seconds, name in session.execute(query)]


def read_queue(session: Session, actor: Actor) -> QueueSight:
    """The actor's runs that are not over, in one query."""
    mine = (Run.owner_id == actor.id, Run.status.not_in(TERMINAL))
    sight = QueueSight()
    for run in session.scalars(select(Run).where(*mine).order_by(Run.queued_at, Run.id).limit(_MOST_RUNS)):
        place = sight.paused if run.is_paused else sight.waiting if run.status == "queued" else sight.running
        place.append(run)
    return sight


def count_chores(session: Session, actor: Actor) -> dict[str, int]:
    """The actor's checks, imports, fixes and counts that are not over, by status: `queued` and `running`."""
    mine = (Chore.owner_id == actor.id, Chore.status.in_(("queued", "running")))
    found = session.execute(select(Chore.status, func.count()).where(*mine).group_by(Chore.status))
    return {"queued": 0, "running": 0} | {status: number for status, number in found}
