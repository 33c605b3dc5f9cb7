"""Alerts of a run: read, and forgotten where the run goes back to before they were found."""

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from studio.runs.models import Checkpoint, Run
from studio.runs.traces import Alert


def read_alerts(session: Session, run: Run) -> list[Alert]:
    """What was found in the run's curves, in the order of steps."""
    return list(session.scalars(select(Alert).where(Alert.run_id == run.id).order_by(Alert.step, Alert.kind)))


def forget_alert(session: Session, run_id: str, kind: str) -> None:
    """Forget one kind: what made it true was changed."""
    mine = (Alert.run_id == run_id, Alert.kind == kind)
    session.execute(delete(Alert).where(*mine).execution_options(synchronize_session=False))


def forget_alerts(session: Session, run_id: str, checkpoint: Checkpoint | None) -> None:
    """Forget what was found behind a checkpoint, or all: who trains these steps again finds it again, if it is so.

    As with points, a later attempt may have found something at the checkpoint's own step and not saved it.
    """
    behind = [] if checkpoint is None else [or_(Alert.step > checkpoint.step, Alert.epoch > checkpoint.epoch)]
    session.execute(delete(Alert).where(Alert.run_id == run_id, *behind).execution_options(synchronize_session=False))
