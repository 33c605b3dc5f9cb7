"""Ends a ladder once, whoever does it."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from studio.ladders.climbing import State
from studio.ladders.models import Ladder


def end_ladder(session: Session, ladder: Ladder, state: State, outcome: str) -> bool:
    """Whether this call has ended it: a ladder that climbs no more stays as it is."""
    ended = session.execute(
        update(Ladder)
        .where(Ladder.id == ladder.id, Ladder.status == "climbing")
        .values(status=state, outcome=outcome)
        .returning(Ladder.id)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    session.refresh(ladder)
    return ended is not None
