"""Which workers live, by the rows that they renew."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, CursorResult, delete, func, or_, select, update
from sqlalchemy.orm import Session

from studio.db import database_seconds, utc_now
from studio.runs.models import Run, Worker
from studio.runs.protocol import Rules
from studio.runs.status import ACTIVE

# A worker renews its row about every ten seconds.
_SILENT_AFTER_SECONDS = 60.0
_FORGOTTEN_AFTER_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Sign:
    """What a worker says of itself as long as it lives."""

    owner: str
    host: str
    version: str
    gpu: str | None
    device: str
    memory_bytes: int | None = None
    cores: int | None = None


@dataclass(frozen=True)
class _DeadOnly(Rules):
    """Takes runs back from the dead alone: a lease that ran out may be one that could not be renewed."""

    def silent(self, dead_owners: tuple[str, ...] = ()) -> ColumnElement[bool]:
        return Run.status.in_(ACTIVE) & Run.owner.in_(dead_owners)


DEAD_ONLY: Rules = _DeadOnly()


def renew_worker(session: Session, sign: Sign, *, run_id: str | None, note: str) -> None:
    """Renew the worker's row, or make it."""
    now = {"run_id": run_id, "note": note[:300], "last_seen": database_seconds()}
    renewed = session.execute(update(Worker).where(Worker.owner == sign.owner).values(**now))
    assert isinstance(renewed, CursorResult)
    if renewed.rowcount == 0:
        session.add(Worker(**asdict(sign), **now, started_at=utc_now()))


def forget_workers(session: Session, owners: Sequence[str] = ()) -> None:
    """Remove the rows of these, and of those that were not heard of for a day."""
    long_gone = Worker.last_seen < database_seconds() - _FORGOTTEN_AFTER_SECONDS
    session.execute(
        delete(Worker).where(or_(long_gone, Worker.owner.in_(owners))).execution_options(synchronize_session=False)
    )


def hardware_of_workers(session: Session) -> list[Worker]:
    """The workers heard of within the last minute, else those of the last day: what runs are likely to run on."""
    workers = list(session.scalars(select(Worker).order_by(Worker.last_seen.desc(), Worker.owner)))
    newest = session.scalar(select(database_seconds())) or 0.0
    return [worker for worker in workers if worker.last_seen > newest - _SILENT_AFTER_SECONDS] or workers


def living_workers(session: Session) -> int:
    """How many were heard of within the last minute, by the database's clock."""
    seen_since = database_seconds() - _SILENT_AFTER_SECONDS
    return session.scalar(select(func.count()).select_from(Worker).where(Worker.last_seen > seen_since)) or 0
