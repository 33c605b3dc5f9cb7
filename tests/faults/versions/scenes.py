"""Scenes in which a worker of version 0.1 and this version hold the same run, one after the other."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import update
from sqlalchemy.orm import Session

from studio import runs
from studio.db import SessionFactory, transaction
from studio.runs import Lease, Run
from studio.runs.events import Checkpointed, Event, Measured, PhaseBegan

Stage = Callable[[SessionFactory, str], None]


@dataclass(frozen=True, slots=True)
class Scene:
    """What this version did to the run before, and what the old worker does then."""

    before: Stage
    verbs: tuple[str, ...]


def claim(session_factory: SessionFactory, run_id: str) -> Lease:
    """By a worker of this version."""
    with transaction(session_factory) as session:
        lease = runs.claim(session, run_id, "worker-of-now")
    assert lease is not None
    return lease


def train(session_factory: SessionFactory, lease: Lease, *steps: int) -> None:
    """Measure these steps, with a checkpoint at the last."""
    said: list[Event] = [PhaseBegan(phase="training")]
    said += [Measured(step=step, values={"train/loss": 10.0 * lease.epoch + step}) for step in steps]
    said.append(Checkpointed(step=steps[-1], manifest_sha256="0" * 64, size_bytes=1))
    with transaction(session_factory) as session:
        runs.record(session, lease, said)


def lapse(session: Session, run_id: str) -> None:
    """Let the holder's lease be over."""
    session.execute(update(Run).where(Run.id == run_id).values(lease_until=1.0))


def _nothing(session_factory: SessionFactory, run_id: str) -> None:
    return None


def _saved_and_handed_back(session_factory: SessionFactory, run_id: str) -> None:
    lease = claim(session_factory, run_id)
    train(session_factory, lease, 1, 2, 3)
    with transaction(session_factory) as session:
        runs.hand_back(session, lease, "The studio was stopped.")


def _silent_in_the_fourth_attempt(session_factory: SessionFactory, run_id: str) -> None:
    for steps in ((1, 2), (3, 4), (5, 6)):
        lease = claim(session_factory, run_id)
        train(session_factory, lease, *steps)
        with transaction(session_factory) as session:
            runs.retry_or_give_up(session, lease, "The trainer crashed.")
    lease = claim(session_factory, run_id)
    train(session_factory, lease, 7)
    with transaction(session_factory) as session:
        lapse(session, run_id)


SCENES = {
    "alone": Scene(
        _nothing, ("claim", "record 3", "renew", "look", "hand_back", "claim", "record 4", "renew", "register 4")
    ),
    "failing": Scene(_nothing, ("claim", "record 1", "fail")),
    "after a checkpoint": Scene(_saved_and_handed_back, ("claim", "record 2", "renew")),
    "to the end after a checkpoint": Scene(_saved_and_handed_back, ("claim", "record 4", "register 4")),
    "reaping": Scene(_silent_in_the_fourth_attempt, ("reap",)),
}
