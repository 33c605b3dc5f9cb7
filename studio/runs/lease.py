"""Claim, fence, renew, hand back: a run is one worker's at a time, and a stale worker can write nothing.

Every write of a worker begins with the fencing UPDATE, which carries the epoch of its claim and takes the row's
lock; the database's clock is the only one that is compared. The rules themselves are in `protocol.py`.
"""

from typing import Any

from sqlalchemy import CursorResult, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from studio.db import utc_now
from studio.errors import Conflict
from studio.runs.alerts import forget_alerts
from studio.runs.blocks import open_blocks
from studio.runs.holding import begin_stint, close_lapsed_stint, extend_stint
from studio.runs.models import Checkpoint, Point, Run, RunEvent, SampleAnswer
from studio.runs.protocol import (
    LEASE_SECONDS,
    RULES,
    Crash,
    GiveUp,
    Lease,
    Retry,
    Rules,
    after_crash,
    has_progressed,
)
from studio.runs.status import Desired

_SILENT = "The worker fell silent."
_TOO_LATE = {
    "cancel": " It was over before it could be cancelled.",
    "pause": " It was over before it could be paused.",
}


class LeaseLost(Conflict):
    """The run belongs to someone else now; whatever this worker does for it no longer counts."""


def claim_next(session: Session, owner: str, *, rules: Rules = RULES) -> Lease | None:
    """Claim the oldest run that is ready, by compare-and-set; None when there is none.

    What was recorded behind the committed checkpoint is superseded in the same transaction.
    """
    oldest = select(Run.id).where(rules.ready()).order_by(Run.queued_at, Run.id).limit(1)
    while (run_id := session.scalar(oldest)) is not None:
        lease = claim(session, run_id, owner, rules=rules)
        if lease is not None:
            return lease
    return None


def claim(session: Session, run_id: str, owner: str, *, rules: Rules = RULES) -> Lease | None:
    """Claim one run, if it is still ready."""
    epoch = session.execute(
        update(Run)
        .where(rules.claimable(run_id))
        .values(
            status="starting",
            phase="starting",
            phase_note="",
            epoch=Run.epoch + 1,
            attempt=Run.idle_attempts + 1,
            owner=owner,
            lease_until=rules.now + LEASE_SECONDS,
            started_at=utc_now(),
            step=func.coalesce(Run.checkpoint_step, 0),
        )
        .returning(Run.epoch)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if epoch is None:
        return None
    lease = Lease(run_id=run_id, epoch=epoch, owner=owner)
    begin_stint(session, lease, rules)
    checkpoint = committed_checkpoint(session, run_id)
    go_back_to(session, lease, checkpoint, rules=rules)
    behind = f" behind step {checkpoint.step}" if checkpoint else ""
    add_event(session, lease, "claimed", f"A worker took the run{behind}.", rules=rules)
    return lease


def fence(session: Session, lease: Lease, *, sequence_numbers: int = 0, rules: Rules = RULES, **values: Any) -> int:
    """Renew the lease and write `values`, only while it holds; returns the first of the reserved numbers.

    Raises LeaseLost when the epoch has moved on or the run is over.
    """
    following = session.execute(
        update(Run)
        .where(rules.held(lease))
        .values(lease_until=rules.now + LEASE_SECONDS, next_seq=Run.next_seq + sequence_numbers, **values)
        .returning(Run.next_seq)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if following is None:
        raise LeaseLost("This run is no longer held by this worker.")
    return following - sequence_numbers


def renew(session: Session, lease: Lease, *, rules: Rules = RULES) -> Desired:
    """Keep the lease, and count the time; returns what the person desires."""
    fence(session, lease, rules=rules)
    extend_stint(session, lease, rules)
    return read_desire(session, lease, rules=rules)


def read_desire(session: Session, lease: Lease, *, rules: Rules = RULES) -> Desired:
    """What the person desires, without a write lock; raises LeaseLost like `fence`."""
    desired: Desired | None = session.scalar(select(Run.desired).where(rules.held(lease)))
    if desired is None:
        raise LeaseLost("This run is no longer held by this worker.")
    return desired


def committed_checkpoint(session: Session, run_id: str) -> Checkpoint | None:
    """The checkpoint that the run's row points to; what else lies on the disk does not count."""
    pointed = and_(Checkpoint.epoch == Run.checkpoint_epoch, Checkpoint.step == Run.checkpoint_step)
    return session.scalar(select(Checkpoint).join(Run, Checkpoint.run_id == Run.id).where(Run.id == run_id, pointed))


def go_back_to(
    session: Session, lease: Lease, checkpoint: Checkpoint | None, *, note: str = "", rules: Rules = RULES
) -> None:
    """Make `checkpoint` (or the beginning) where the run stands; what was recorded behind it is kept and hidden.

    Progress is counted from there.
    """
    step = checkpoint.step if checkpoint else 0
    forgotten: dict[str, Any] = {} if checkpoint else {"initial_validation_loss": None}
    fence(
        session,
        lease,
        rules=rules,
        step=step,
        seconds_left=None,
        checkpoint_step=checkpoint.step if checkpoint else None,
        checkpoint_epoch=checkpoint.epoch if checkpoint else None,
        claimed_step=checkpoint.step if checkpoint else None,
        best_step=checkpoint.best_step if checkpoint else None,
        best_validation_loss=checkpoint.best_validation_loss if checkpoint else None,
        **forgotten,
    )
    open_blocks(session, lease.run_id, step - 1)
    forget_alerts(session, lease.run_id, checkpoint)
    for table in (Point, SampleAnswer):
        mine = (table.run_id == lease.run_id, table.superseded.is_(False))
        # A later attempt may have made up for the evaluation of the checkpoint's own step, and not saved it.
        behind = mine if checkpoint is None else (*mine, or_(table.step > step, table.epoch > checkpoint.epoch))
        session.execute(
            update(table).where(*behind).values(superseded=True).execution_options(synchronize_session=False)
        )
    if note:
        add_event(session, lease, "warning", note, rules=rules)


def fall_back(session: Session, lease: Lease, damaged: Checkpoint, *, rules: Rules = RULES) -> Checkpoint | None:
    """Forget a checkpoint whose files do not verify, and go back to the one before it; None is the beginning."""
    # The same step may have been saved twice: by an attempt, and by the one that resumed from it.
    earlier_epoch = and_(Checkpoint.step == damaged.step, Checkpoint.epoch < damaged.epoch)
    older = (
        select(Checkpoint)
        .where(Checkpoint.run_id == lease.run_id, or_(Checkpoint.step < damaged.step, earlier_epoch))
        .order_by(Checkpoint.step.desc(), Checkpoint.epoch.desc())
        .limit(1)
    )
    previous = session.scalar(older)
    from_where = f"step {previous.step}" if previous else "the beginning"
    note = f"The checkpoint of step {damaged.step} was damaged on disk, so the run goes on from {from_where}."
    go_back_to(session, lease, previous, note=note, rules=rules)
    key = (Checkpoint.run_id == lease.run_id, Checkpoint.epoch == damaged.epoch, Checkpoint.step == damaged.step)
    session.execute(delete(Checkpoint).where(*key))
    return previous


def end(
    session: Session, lease: Lease, status: str, *, kind: str | None = None, reason: str = "", rules: Rules = RULES
) -> None:
    """Move the run to a terminal status; what a person asked for too late is told in the event."""
    words = {"succeeded": "The run finished.", "cancelled": "The run was cancelled."}
    # Under the row's lock, so that no wish comes between the event and the end.
    desired = renew(session, lease, rules=rules)
    too_late = "" if status == "cancelled" else _TOO_LATE.get(desired, "")
    # First the event: the fence refuses everything after a terminal status.
    add_event(session, lease, status, (reason or words.get(status, "")) + too_late, rules=rules)
    fence(
        session,
        lease,
        rules=rules,
        status=status,
        phase="done",
        phase_note="",
        failure_kind=kind,
        failure_reason=reason if status == "failed" else "",
        finished_at=utc_now(),
        owner=None,
        seconds_left=None,
    )


def hand_back(
    session: Session, lease: Lease, reason: str, *, delay_seconds: float = 0.0, rules: Rules = RULES, **counts: int
) -> None:
    """Put the run back into the queue, at the place of its first queueing; `counts` are kept on the row.

    A run that was cancelled meanwhile ends instead: from the queue nobody would end it.
    """
    if renew(session, lease, rules=rules) == "cancel":
        end(session, lease, "cancelled", rules=rules)
        return
    add_event(session, lease, "handed_back", reason, rules=rules)
    fence(
        session,
        lease,
        rules=rules,
        status="queued",
        phase="waiting",
        phase_note=reason[:300],
        owner=None,
        seconds_left=None,
        dispatched_at=None,
        not_before=rules.now + delay_seconds,
        attempt=counts.get("idle_attempts", Run.idle_attempts),
        **counts,
    )


def retry_or_give_up(
    session: Session, lease: Lease, sentence: str, *, is_hang: bool = False, rules: Rules = RULES
) -> Retry | GiveUp:
    """What follows an attempt that ended without a result; `sentence` says what ended it."""
    fence(session, lease, rules=rules)
    run = session.get_one(Run, lease.run_id, populate_existing=True)
    desired: Desired = run.desired  # type: ignore[assignment]
    crash = Crash(
        desired=desired,
        progressed=has_progressed(run.checkpoint_step, run.claimed_step),
        idle_attempts=run.idle_attempts,
        hangs=run.hangs,
        sentence=sentence,
        is_hang=is_hang,
    )
    decision = after_crash(crash)
    if isinstance(decision, GiveUp):
        end(session, lease, decision.status, kind=decision.kind, reason=decision.reason, rules=rules)
        return decision
    where = f"from step {run.checkpoint_step}" if run.checkpoint_step else "from the beginning"
    hand_back(
        session,
        lease,
        f"{sentence} The run goes on {where}.",
        delay_seconds=decision.delay_seconds,
        rules=rules,
        idle_attempts=decision.idle_attempts,
        hangs=decision.hangs,
    )
    return decision


def reap(session: Session, *, dead_owners: tuple[str, ...] = (), rules: Rules = RULES) -> list[str]:
    """Take back runs whose worker fell silent or is known to be dead; returns the ids touched."""
    touched = []
    # In one order, so that two reapers on PostgreSQL wait for each other instead of deadlocking.
    over = select(Run.id, Run.epoch).where(rules.silent(dead_owners)).order_by(Run.id)
    for run_id, epoch in session.execute(over).all():
        if _bump(session, run_id, epoch, dead_owners, rules):
            retry_or_give_up(session, Lease(run_id, epoch + 1, "reaper"), _SILENT, rules=rules)
            touched.append(run_id)
    return touched


def take_due(session: Session, *, rules: Rules = RULES) -> list[str]:
    """Runs whose hint shall be sent (again) after the commit: never sent, or not heard for half a minute."""
    due = update(Run).where(rules.due()).values(dispatched_at=rules.now).returning(Run.id)
    return list(session.scalars(due.execution_options(synchronize_session=False)))


def add_event(session: Session, lease: Lease, kind: str, message: str, *, rules: Rules = RULES) -> None:
    """Record that something happened, under the fence."""
    seq = fence(session, lease, sequence_numbers=1, rules=rules)
    session.add(RunEvent(run_id=lease.run_id, seq=seq, epoch=lease.epoch, kind=kind, message=message))


def _bump(session: Session, run_id: str, epoch: int, dead_owners: tuple[str, ...], rules: Rules) -> bool:
    result = session.execute(
        update(Run)
        .where(Run.id == run_id, Run.epoch == epoch, rules.silent(dead_owners))
        .values(epoch=Run.epoch + 1)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)
    is_mine = result.rowcount == 1
    if is_mine:
        close_lapsed_stint(session, run_id, epoch)
    return is_mine
