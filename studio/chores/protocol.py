"""Who does a chore: a lease by compare-and-set, as for runs, but simpler, since doing one twice harms nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from studio.chores.models import Chore
from studio.db import database_seconds, utc_now
from studio.errors import Conflict

LEASE_SECONDS = 60.0
HINT_SECONDS = 30.0
# A chore that ended three workers would end a fourth.
MOST_CLAIMS = 3
_GIVEN_UP = "It ended its worker three times, so it was given up. The worker's log says more."


class ChoreLost(Conflict):
    """The chore was cancelled, or is someone else's by now."""


@dataclass(frozen=True, slots=True)
class ChoreLease:
    """What a worker holds of a chore."""

    chore_id: str
    owner_id: str
    kind: str
    key: str
    version_id: str | None
    params: dict[str, Any]
    epoch: int
    worker: str


def claim_next(session: Session, worker: str) -> ChoreLease | None:
    """Claim the oldest chore that waits; None when there is none."""
    oldest = select(Chore.id).where(Chore.status == "queued").order_by(Chore.id).limit(1)
    while (chore_id := session.scalar(oldest)) is not None:
        row = session.execute(
            update(Chore)
            .where(Chore.id == chore_id, Chore.status == "queued")
            .values(
                status="running",
                epoch=Chore.epoch + 1,
                claims=Chore.claims + 1,
                worker=worker,
                lease_until=database_seconds() + LEASE_SECONDS,
                phase="",
                done=0,
                total=0,
            )
            .returning(Chore.owner_id, Chore.kind, Chore.key, Chore.version_id, Chore.params, Chore.epoch)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        if row is not None:
            owner_id, kind, key, version_id, params, epoch = row
            return ChoreLease(chore_id, owner_id, kind, key, version_id, params, epoch, worker)
    return None


def report(session: Session, lease: ChoreLease, phase: str, done: int, total: int) -> None:
    """Renew the lease and say how far it is; raises ChoreLost."""
    _write(session, lease, lease_until=database_seconds() + LEASE_SECONDS, phase=phase[:40], done=done, total=total)


def finish(session: Session, lease: ChoreLease, result: dict[str, Any]) -> None:
    """It is done; raises ChoreLost."""
    _write(session, lease, status="done", result=result, worker=None, finished_at=utc_now())


def fail(session: Session, lease: ChoreLease, problem: str) -> None:
    """It cannot be done, for the reason given in a sentence; raises ChoreLost."""
    _write(session, lease, status="failed", problem=problem, worker=None, finished_at=utc_now())


def hand_back(session: Session, lease: ChoreLease) -> None:
    """Let another worker begin it anew, as when this one stops; raises ChoreLost."""
    _write(session, lease, status="queued", claims=Chore.claims - 1, worker=None, dispatched_at=None)


def reap(session: Session, *, dead_owners: Collection[str] = ()) -> list[str]:
    """Take chores of dead or silent workers back; returns their ids."""
    is_left = or_(Chore.lease_until < database_seconds(), Chore.worker.in_(dead_owners))
    gone = and_(Chore.status == "running", is_left)
    given_up = _end_left(session, and_(gone, Chore.claims >= MOST_CLAIMS))
    back = session.scalars(
        update(Chore)
        .where(gone)
        .values(status="queued", worker=None, dispatched_at=None)
        .returning(Chore.id)
        .execution_options(synchronize_session=False)
    )
    return [*given_up, *back]


def take_due(session: Session) -> list[str]:
    """Chores that wait and of which nobody was told for half a minute; they count as told of now."""
    now = database_seconds()
    due = or_(Chore.dispatched_at.is_(None), Chore.dispatched_at < now - HINT_SECONDS)
    return list(
        session.scalars(
            update(Chore)
            .where(Chore.status == "queued", due)
            .values(dispatched_at=now)
            .returning(Chore.id)
            .execution_options(synchronize_session=False)
        )
    )


def _end_left(session: Session, where: ColumnElement[bool]) -> list[str]:
    return list(
        session.scalars(
            update(Chore)
            .where(where)
            .values(status="failed", problem=_GIVEN_UP, worker=None, finished_at=utc_now())
            .returning(Chore.id)
            .execution_options(synchronize_session=False)
        )
    )


def _write(session: Session, lease: ChoreLease, **values: Any) -> None:
    held = session.execute(
        update(Chore)
        .where(Chore.id == lease.chore_id, Chore.status == "running", Chore.epoch == lease.epoch)
        .values(**values)
        .returning(Chore.id)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if held is None:
        raise ChoreLost("This work was cancelled, or another worker does it.")
