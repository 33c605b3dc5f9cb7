"""What happens to a ladder in tests: rungs are trained, and it is looked at."""

from collections.abc import Callable

from studio import ladders, runs
from studio.actors import LOCAL_ACTOR
from studio.db import SessionFactory, reading, transaction
from studio.ladders import Sight
from studio.queue import SilentQueue
from studio.runs.events import BestMoved, Measured, PhaseBegan

QUEUE = SilentQueue()
Start = Callable[..., str]


def see(session_factory: SessionFactory, ladder_id: str) -> Sight:
    """The ladder as it stands."""
    with reading(session_factory) as session:
        sight = ladders.sight_of(session, ladders.get_ladder(session, LOCAL_ACTOR, ladder_id))
        assert sight.rungs
        return sight


def statuses(session_factory: SessionFactory, ladder_id: str) -> list[str]:
    """How its rungs stand."""
    return [rung.standing.status for rung in see(session_factory, ladder_id).rungs]


def finish(session_factory: SessionFactory, loss: float, status: str = "succeeded", *, hours: float = 1) -> None:
    """A worker takes the run that waits, trains it for so long from 3.0 to this loss, and ends it."""
    with transaction(session_factory) as session:
        lease = runs.claim_next(session, "w1")
        assert lease is not None
        measured = [Measured(step=step, values={"eval/loss": value}) for step, value in ((0, 3.0), (4, loss))]
        best = BestMoved(step=4, validation_loss=loss)
        runs.record(session, lease, [PhaseBegan(phase="training"), *measured, best])
        runs.end(session, lease, status, kind="internal" if status == "failed" else None)
        stint = session.get_one(runs.Stint, (lease.run_id, lease.epoch))
        stint.until = stint.began + 3600 * hours
