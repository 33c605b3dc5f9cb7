"""Claim, fence, renew, hand back: a run is one worker's at a time, and a stale worker can write nothing.

Every write of a worker begins with the fencing UPDATE, which carries the epoch of its claim and takes the row's
lock; the database's clock is the only one that is compared.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from studio.db import database_seconds, utc_now
from studio.errors import Conflict
from studio.runs.models import Run, RunEvent
from studio.runs.status import ACTIVE

LEASE_SECONDS = 60.0
MAX_ATTEMPTS = 3


class LeaseLost(Conflict):
    """The run belongs to someone else now; whatever this worker does for it no longer counts."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim on a run; `epoch` is what makes it this claim and no other."""

    run_id: str
    epoch: int
    owner: str


def claim_next(session: Session, owner: str) -> Lease | None:
    """Claim the oldest run that is ready, by compare-and-set; None when there is none."""
    ready = (Run.status == "queued") & (Run.desired == "run") & (Run.not_before <= database_seconds())
    while (run_id := session.scalar(select(Run.id).where(ready).order_by(Run.queued_at, Run.id).limit(1))) is not None:
        claimed = session.execute(
            update(Run)
            .where(Run.id == run_id, ready)
            .values(
                status="starting",
                phase="starting",
                phase_note="",
                epoch=Run.epoch + 1,
                attempt=Run.attempt + 1,
                owner=owner,
                lease_until=database_seconds() + LEASE_SECONDS,
                started_at=utc_now(),
                step=0,
            )
            .returning(Run.epoch)
            .execution_options(synchronize_session=False)
        ).scalar_one_or_none()
        if claimed is not None:
            lease = Lease(run_id=run_id, epoch=claimed, owner=owner)
            add_event(session, lease, "claimed", "A worker took the run.")
            return lease
    return None


def fence(session: Session, lease: Lease, *, sequence_numbers: int = 0, **values: Any) -> int:
    """Renew the lease and write `values`, only while it holds; returns the first of the reserved numbers.

    Raises LeaseLost when the epoch has moved on or the run is over.
    """
    following = session.execute(
        update(Run)
        .where(Run.id == lease.run_id, Run.epoch == lease.epoch, Run.status.in_(ACTIVE))
        .values(lease_until=database_seconds() + LEASE_SECONDS, next_seq=Run.next_seq + sequence_numbers, **values)
        .returning(Run.next_seq)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if following is None:
        raise LeaseLost("This run is no longer held by this worker.")
    return following - sequence_numbers


def renew(session: Session, lease: Lease) -> str:
    """Keep the lease; returns what the person desires: `run` or `cancel`."""
    fence(session, lease)
    return session.scalars(select(Run.desired).where(Run.id == lease.run_id)).one()


def read_desire(session: Session, lease: Lease) -> str:
    """What the person desires, `run` or `cancel`, without a write lock; raises LeaseLost like `fence`."""
    held = (Run.id == lease.run_id, Run.epoch == lease.epoch, Run.status.in_(ACTIVE))
    desired = session.scalar(select(Run.desired).where(*held))
    if desired is None:
        raise LeaseLost("This run is no longer held by this worker.")
    return desired


def end(session: Session, lease: Lease, status: str, *, kind: str | None = None, reason: str = "") -> None:
    """Move the run to a terminal status."""
    words = {"succeeded": "The run finished.", "cancelled": "The run was cancelled."}
    # First the event: the fence refuses everything after a terminal status.
    add_event(session, lease, status, words.get(status, reason))
    fence(
        session,
        lease,
        status=status,
        phase="done",
        phase_note="",
        failure_kind=kind,
        failure_reason=reason,
        finished_at=utc_now(),
        owner=None,
        seconds_left=None,
    )


def hand_back(
    session: Session, lease: Lease, reason: str, *, delay_seconds: float = 0.0, counts_as_attempt: bool = False
) -> None:
    """Put the run back into the queue; its place is that of its first queueing.

    An orderly stop is not an attempt that failed, so it does not count towards `MAX_ATTEMPTS`.
    """
    add_event(session, lease, "handed_back", reason)
    fence(
        session,
        lease,
        status="queued",
        phase="waiting",
        phase_note=reason,
        owner=None,
        step=0,
        seconds_left=None,
        not_before=database_seconds() + delay_seconds,
        attempt=Run.attempt if counts_as_attempt else Run.attempt - 1,
    )


def reap(session: Session) -> list[str]:
    """Take back runs whose worker fell silent; after three attempts the run fails. Returns the ids touched."""
    over = Run.status.in_(ACTIVE) & (Run.lease_until < database_seconds())
    touched = []
    for run in session.scalars(select(Run).where(over)).all():
        reason = "The worker fell silent for a minute; the run starts again."
        stale = Lease(run_id=run.id, epoch=run.epoch, owner=run.owner or "")
        if _bump(session, stale):
            lease = Lease(run_id=run.id, epoch=run.epoch + 1, owner="reaper")
            if run.desired == "cancel":
                end(session, lease, "cancelled")
            elif run.attempt >= MAX_ATTEMPTS:
                end(session, lease, "failed", kind="crash_loop", reason="The worker fell silent three times.")
            else:
                hand_back(session, lease, reason, counts_as_attempt=True)
            touched.append(run.id)
    return touched


def add_event(session: Session, lease: Lease, kind: str, message: str) -> None:
    """Record that something happened, under the fence."""
    seq = fence(session, lease, sequence_numbers=1)
    session.add(RunEvent(run_id=lease.run_id, seq=seq, epoch=lease.epoch, kind=kind, message=message))


def _bump(session: Session, stale: Lease) -> bool:
    result = session.execute(
        update(Run)
        .where(
            Run.id == stale.run_id,
            Run.epoch == stale.epoch,
            Run.status.in_(ACTIVE),
            Run.lease_until < database_seconds(),
        )
        .values(epoch=Run.epoch + 1)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)
    return result.rowcount == 1
