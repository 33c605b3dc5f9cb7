"""What is new in a run since a sequence number: what pages that follow it are told, from SQL alone.

Numbers are given under the lock of the run's row, so their order is that of the commits: who knows all up to a number
misses nothing by asking for what lies behind it.
"""

from dataclasses import dataclass

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from studio.runs.models import Point, Run, RunEvent, SampleAnswer
from studio.runs.status import TERMINAL

MAX_POINTS_AT_ONCE = 5000

# Events in whose transaction points may become superseded: a claim, and the way back behind a damaged checkpoint.
_REWRITING = ("claimed", "warning")
_SHOWN = (
    Run.name,
    Run.desired,
    Run.epoch,
    Run.checkpoint_step,
    Run.resume_note,
    Run.phase,
    Run.phase_note,
    Run.step,
    Run.total_steps,
    Run.seconds_left,
    Run.tokens_per_second,
    Run.peak_memory_bytes,
    Run.initial_validation_loss,
    Run.best_validation_loss,
    Run.best_step,
    Run.last_train_loss,
    Run.last_validation_loss,
    Run.failure_kind,
    Run.failure_reason,
    Run.status,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands: its newest number and what pages show of it, to be compared with the next.

    `is_rewritten`: points up to the number that was asked behind may have become hidden since.
    """

    newest: int
    shown: tuple[object, ...]
    is_over: bool
    has_events: bool
    is_rewritten: bool


@dataclass(frozen=True, slots=True)
class NewPoint:
    """A visible point; `value` is None when `kind` is not "num"."""

    seq: int
    name: str
    step: int
    value: float | None
    kind: str


def read_standing(session: Session, run_id: str, *, after: int) -> Standing | None:
    """Where the run stands, and what kinds of events came behind `after`; None when there is no such run."""
    events = select(RunEvent.seq).where(RunEvent.run_id == Run.id, RunEvent.seq > after).correlate(Run)
    answers = select(func.count()).where(SampleAnswer.run_id == Run.id, SampleAnswer.superseded.is_(False))
    query = select(
        Run.next_seq - 1,
        exists(events),
        exists(events.where(RunEvent.kind.in_(_REWRITING))),
        answers.correlate(Run).scalar_subquery(),
        *_SHOWN,
    )
    row = session.execute(query.where(Run.id == run_id)).one_or_none()
    if row is None:
        return None
    newest, has_events, is_rewritten, *shown = row
    return Standing(newest, tuple(shown), shown[-1] in TERMINAL, has_events, is_rewritten)


def read_new_points(session: Session, run_id: str, *, after: int, upto: int) -> list[NewPoint]:
    """Visible points with `after` < seq <= `upto` in their order, `MAX_POINTS_AT_ONCE` at most.

    `upto` must have been read from the run's row before: what has such a number is committed.
    """
    rows = session.execute(
        select(Point.seq, Point.name, Point.step, Point.value, Point.kind)
        .where(Point.run_id == run_id, Point.seq > after, Point.seq <= upto, Point.superseded.is_(False))
        .order_by(Point.seq)
        .limit(MAX_POINTS_AT_ONCE)
    )
    return [NewPoint(*row) for row in rows]
