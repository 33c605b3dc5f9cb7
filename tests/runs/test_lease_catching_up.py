"""An attempt left in the middle of an evaluation; the next one makes up for it, and may be lost before it saves."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from studio import runs
from studio.db import SessionFactory, reading, transaction
from studio.runs import Lease, Point, Run
from studio.runs.events import Checkpointed, Event, Measured, PhaseBegan

SAVED = Checkpointed(step=63, manifest_sha256="0" * 64, size_bytes=1)


def attempt(session_factory: SessionFactory, *events: Event) -> None:
    with transaction(session_factory) as session:
        lease = runs.claim_next(session, "worker-1")
    assert isinstance(lease, Lease)
    with transaction(session_factory) as session:
        runs.record(session, lease, [PhaseBegan(phase="training"), *events])
    with transaction(session_factory) as session:
        runs.hand_back(session, lease, "Stopped.")


@pytest.mark.parametrize("saves", [False, True])
def test_an_evaluation_that_is_made_up_for_twice_shows_once(
    saves: bool, session_factory: SessionFactory, make_run: Callable[..., Run]
) -> None:
    run = make_run()
    evaluated = Measured(step=63, values={"eval/loss": 2.0})
    attempt(session_factory, Measured(step=63, values={"train/loss": 1.0}), SAVED)
    attempt(session_factory, evaluated, *([SAVED] if saves else []))
    attempt(session_factory, *([] if saves else [evaluated]), Measured(step=64, values={"train/loss": 0.5}))

    with reading(session_factory) as session:
        shown = session.execute(
            select(Point.name, Point.step, Point.epoch).where(Point.run_id == run.id, Point.superseded.is_(False))
        ).all()
        series = runs.read_series(session, run, "eval/loss")
    epoch = 2 if saves else 3
    assert sorted(map(tuple, shown)) == [("eval/loss", 63, epoch), ("train/loss", 63, 1), ("train/loss", 64, 3)]
    assert [point.step for point in series] == [63]
