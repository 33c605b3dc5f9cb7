"""One round over all ladders, made by the website and every worker: what is due is launched, what is done ends."""

import logging

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio.actors import Actor
from studio.db import DATABASE_AWAY, SessionFactory, reading, transaction
from studio.errors import StudioError
from studio.ladders.climbing import Move, next_move
from studio.ladders.ending import end_ladder
from studio.ladders.launching import capped, launch_rung
from studio.ladders.models import Ladder
from studio.ladders.rungs import rung_label
from studio.ladders.sights import Sight, sight_of
from studio.queue import Queue
from studio.settings import Settings

log = logging.getLogger(__name__)


def climb(session_factory: SessionFactory, *, queue: Queue, settings: Settings) -> int:
    """Launch the next rung of each ladder where it is due, and end those that are done; how many were moved.

    Commits each ladder by itself. Two that do it at once launch a rung once: the row is locked, and its key is unique.
    """
    with reading(session_factory) as session:
        climbing = list(session.scalars(select(Ladder.id).where(Ladder.status == "climbing").order_by(Ladder.id)))
    return sum(_climb_guarded(session_factory, ladder_id, queue=queue, settings=settings) for ladder_id in climbing)


def _climb_guarded(session_factory: SessionFactory, ladder_id: str, *, queue: Queue, settings: Settings) -> bool:
    try:
        with transaction(session_factory) as session:
            return _climb_one(session, ladder_id, queue=queue, settings=settings)
    except DATABASE_AWAY:
        raise
    except Exception:
        # The task's edge, for each ladder: one that cannot be climbed must not hold up those behind it.
        log.exception("%s could not be climbed, so it was stopped", ladder_id)
        return _give_up(session_factory, ladder_id)


def _give_up(session_factory: SessionFactory, ladder_id: str) -> bool:
    sentence = (
        "Something failed inside the studio when the next rung was due, so the ladder was stopped. The log has the "
        f"details under {ladder_id}. Climb on to try again."
    )
    with transaction(session_factory) as session:
        ladder = session.get(Ladder, ladder_id)
        return ladder is not None and end_ladder(session, ladder, "stopped", sentence)


def _climb_one(session: Session, ladder_id: str, *, queue: Queue, settings: Settings) -> bool:
    still_climbing = select(Ladder).where(Ladder.id == ladder_id, Ladder.status == "climbing")
    # Another round that is at it right now has done what there is to do.
    ladder = session.scalar(still_climbing.with_for_update(skip_locked=True))
    if ladder is None:
        return False
    sight = sight_of(session, ladder)
    move = next_move(sight.standings, ladder.min_gain, sight.budget, sight.spent)
    if move is None:
        return False
    if move.launch is not None:
        move = _try_launch(session, sight, move.launch, queue=queue, settings=settings)
    return move.launch is not None or end_ladder(session, ladder, move.state, move.outcome)


def _try_launch(session: Session, sight: Sight, number: int, *, queue: Queue, settings: Settings) -> Move:
    """Launch a rung; what is refused now (a price, a licence, a split) ends the climb with the reason."""
    spec = capped(sight, number)
    if spec is None:
        return Move(state="done", outcome="The ladder's cap is spent.")
    actor = Actor(sight.ladder.owner_id)
    try:
        with session.begin_nested():
            launch_rung(session, actor, sight.ladder, number, spec, queue=queue, settings=settings)
    except StudioError as refused:
        return Move(state="done", outcome=f"{rung_label(spec)} could not be launched: {refused.message}")
    return Move(launch=number)
