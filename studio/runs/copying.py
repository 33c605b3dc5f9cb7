"""Copies of rows that a run begins with when it goes on from another one."""

from sqlalchemy import func, insert, literal, select
from sqlalchemy.orm import Session

from studio.runs.models import Checkpoint, Point, Run, SampleAnswer

# The attempt that copies count for: claims begin at 1.
BEGINNING = 0


def copy_of(checkpoint: Checkpoint, run_id: str) -> Checkpoint:
    """The row of a checkpoint that a new run begins with."""
    return Checkpoint(
        run_id=run_id,
        epoch=BEGINNING,
        step=checkpoint.step,
        manifest_sha256=checkpoint.manifest_sha256,
        size_bytes=checkpoint.size_bytes,
        best_step=checkpoint.best_step,
        best_validation_loss=checkpoint.best_validation_loss,
    )


def copy_measured(session: Session, parent: Run, run: Run, last_step: int) -> None:
    """Copy the points and answers that are shown up to the checkpoint; the points are numbered anew, in their order."""
    shown = (Point.run_id == parent.id, Point.superseded.is_(False), Point.step <= last_step)
    columns = [
        literal(run.id),
        Point.name,
        Point.step,
        literal(BEGINNING),
        Point.value,
        Point.kind,
        func.row_number().over(order_by=Point.seq),
        literal(False),
    ]
    names = ["run_id", "name", "step", "epoch", "value", "kind", "seq", "superseded"]
    session.execute(insert(Point).from_select(names, select(*columns).where(*shown)))
    texts = [SampleAnswer.row_number, SampleAnswer.prompt, SampleAnswer.expected, SampleAnswer.answer]
    keys = [literal(run.id), SampleAnswer.step, SampleAnswer.position, literal(BEGINNING), literal(False)]
    given = (SampleAnswer.run_id == parent.id, SampleAnswer.superseded.is_(False), SampleAnswer.step <= last_step)
    session.execute(
        insert(SampleAnswer).from_select(
            ["run_id", "step", "position", "epoch", "superseded", "row_number", "prompt", "expected", "answer"],
            select(*keys, *texts).where(*given),
        )
    )
    copied = session.scalar(select(func.count()).where(Point.run_id == run.id)) or 0
    run.next_seq = copied + 1
    run.last_train_loss = _last(session, run, "train/loss")
    run.last_validation_loss = _last(session, run, "eval/loss")
    session.flush()


def _last(session: Session, run: Run, name: str) -> float | None:
    mine = (Point.run_id == run.id, Point.name == name, Point.value.is_not(None))
    return session.scalar(select(Point.value).where(*mine).order_by(Point.step.desc()).limit(1))
