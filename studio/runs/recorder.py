"""Writes what the trainer said into SQL, behind the fence, exactly once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from studio.db import Base, utc_now
from studio.runs.blocks import seal_blocks
from studio.runs.events import (
    Alerted,
    Answered,
    BestMoved,
    Checkpointed,
    Event,
    Measured,
    Noted,
    PhaseBegan,
    Progressed,
    Resolved,
    Resumed,
    Stopped,
    Tried,
    split_value,
)
from studio.runs.lease import fence
from studio.runs.models import Checkpoint, Point, Run, RunEvent, SampleAnswer
from studio.runs.protocol import RULES, Lease, Rules
from studio.runs.traces import Alert

_LAST = {"train/loss": "last_train_loss", "eval/loss": "last_validation_loss"}
_STATUS_OF_PHASE = {"training": "running", "evaluating": "running", "exporting": "finalizing"}


def record(session: Session, lease: Lease, events: Sequence[Event], *, rules: Rules = RULES) -> None:
    """Store a batch; the caller commits, then pokes those who watch. Raises LeaseLost when fenced off.

    A checkpoint becomes the committed one together with the metrics up to its step.
    """
    points = [row for event in events if isinstance(event, Measured) for row in _point_rows(lease, event)]
    notes = _new_notes(session, lease, [event for event in events if isinstance(event, Noted)])
    changes = _changes(lease, events)
    seq = fence(session, lease, sequence_numbers=len(points) + len(notes), rules=rules, **changes)
    for offset, row in enumerate(points):
        row["seq"] = seq + offset
    _insert_new(session, Point, points)
    seal_blocks(session, lease.run_id, [(row["name"], row["step"]) for row in points])
    for offset, note in enumerate(notes):
        session.add(
            RunEvent(
                run_id=lease.run_id,
                seq=seq + len(points) + offset,
                epoch=lease.epoch,
                kind=note.kind,
                message=note.message,
            )
        )
    answers = [row for event in events if isinstance(event, Answered) for row in _answer_rows(lease, event)]
    _insert_new(session, SampleAnswer, answers)
    _insert_new(session, Checkpoint, [_checkpoint_row(lease, e) for e in events if isinstance(e, Checkpointed)])
    _insert_new(session, Alert, [_alert_row(lease, event) for event in events if isinstance(event, Alerted)])
    _keep_first_validation_loss(session, lease, points)


def _new_notes(session: Session, lease: Lease, notes: list[Noted]) -> list[Noted]:
    """Notes that this attempt has not said before: a batch that is sent twice, or a note said twice, is kept once."""
    if not notes:
        return []
    mine = (RunEvent.run_id == lease.run_id, RunEvent.epoch == lease.epoch)
    known = {(kind, message) for kind, message in session.execute(select(RunEvent.kind, RunEvent.message).where(*mine))}
    return [note for note in dict.fromkeys(notes) if (note.kind, note.message) not in known]


def _point_rows(lease: Lease, event: Measured) -> list[dict[str, Any]]:
    rows = []
    for name, value in event.values.items():
        number, kind = split_value(value)
        rows.append(
            {
                "run_id": lease.run_id,
                "name": name,
                "step": event.step,
                "epoch": lease.epoch,
                "value": number,
                "kind": kind,
            }
        )
    return rows


def _answer_rows(lease: Lease, event: Answered) -> list[dict[str, Any]]:
    return [
        {"run_id": lease.run_id, "step": event.step, "epoch": lease.epoch, **answer.model_dump()}
        for answer in event.answers
    ]


def _changes(lease: Lease, events: Sequence[Event]) -> dict[str, Any]:
    """The run's columns after the batch: later events overwrite earlier ones."""
    changes: dict[str, Any] = {}
    for event in events:
        if isinstance(event, PhaseBegan):
            changes.update(phase=event.phase, phase_note=event.note)
            if event.phase in _STATUS_OF_PHASE:
                changes["status"] = _STATUS_OF_PHASE[event.phase]
        elif isinstance(event, Progressed):
            changes.update(event.model_dump(exclude={"t"}))
        elif isinstance(event, BestMoved):
            changes.update(best_step=event.step, best_validation_loss=event.validation_loss)
        elif isinstance(event, Checkpointed):
            moved = {"checkpoint_step": event.step, "checkpoint_epoch": lease.epoch, "step": event.step}
            changes.update(moved, idle_attempts=0, attempt=1)
        elif isinstance(event, Resumed) and event.difference:
            # It stays: what comes of a later, exact resumption still stands on this one.
            changes.update(resume_note=event.difference[:300])
        elif isinstance(event, Stopped):
            changes.update(stopped_by=event.by, seconds_saved=event.seconds_saved)
        elif isinstance(event, Tried):
            changes["trial"] = event.report
        elif isinstance(event, Resolved):
            changes["resolved"] = event.config
        elif isinstance(event, Measured):
            for name, value in event.values.items():
                if name in _LAST and not isinstance(value, str):
                    changes[_LAST[name]] = value
    return changes


def _checkpoint_row(lease: Lease, event: Checkpointed) -> dict[str, Any]:
    return {"run_id": lease.run_id, "epoch": lease.epoch, "created_at": utc_now(), **event.model_dump(exclude={"t"})}


def _alert_row(lease: Lease, event: Alerted) -> dict[str, Any]:
    return {"run_id": lease.run_id, "epoch": lease.epoch, "at": utc_now(), **event.model_dump(exclude={"t"})}


def _insert_new(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert rows whose key is not there yet: a batch that is sent twice counts once."""
    if not rows:
        return
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    session.execute(insert(table).on_conflict_do_nothing(), rows)


def _keep_first_validation_loss(session: Session, lease: Lease, points: list[dict[str, Any]]) -> None:
    if not any(row["name"] == "eval/loss" for row in points):
        return
    shown = (Point.run_id == lease.run_id, Point.name == "eval/loss", Point.superseded.is_(False))
    first = session.scalar(select(Point.value).where(*shown).order_by(Point.step).limit(1))
    session.execute(
        update(Run)
        .where(Run.id == lease.run_id, Run.epoch == lease.epoch)
        .values(initial_validation_loss=first)
        .execution_options(synchronize_session=False)
    )
