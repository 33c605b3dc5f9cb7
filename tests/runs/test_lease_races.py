"""A click at the very instant at which a run finishes: whichever commits first has won, and the event says which."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from studio import adapters, runs
from studio.actors import LOCAL_ACTOR
from studio.adapters import Adapter
from studio.db import SessionFactory, reading, transaction
from studio.errors import Conflict
from studio.queue import SilentQueue
from studio.runs import Lease, LeaseLost, Run, RunEvent
from studio.runs.actions import stop_and_keep
from studio.runs.events import Exported
from studio.storage import StoredFile

MakeRun = Callable[..., Run]

SHORT_RACES = 100
LONG_RACES = 1000
ACTIONS: dict[str, Callable[[Session, str], object]] = {
    "cancel": lambda session, run_id: runs.cancel(session, LOCAL_ACTOR, run_id),
    "pause": lambda session, run_id: runs.pause(session, LOCAL_ACTOR, run_id),
    "keep": lambda session, run_id: stop_and_keep(session, LOCAL_ACTOR, run_id, queue=SilentQueue()),
}
TOO_LATE = {"pause": " It was over before it could be paused."}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_click_at_the_instant_of_completion_has_one_winner(
    session_factory: SessionFactory, make_run: MakeRun, action: str
) -> None:
    print(action, dict(_race(session_factory, make_run, action, SHORT_RACES // len(ACTIONS) + 1)))


@pytest.mark.faults
@pytest.mark.parametrize("action", ACTIONS)
def test_a_thousand_clicks_at_the_instant_of_completion(
    session_factory: SessionFactory, make_run: MakeRun, action: str
) -> None:
    ends = _race(session_factory, make_run, action, LONG_RACES)

    print(action, dict(ends))
    # Both sides must have won often enough for the races to have been races.
    assert min(ends.values()) >= LONG_RACES // 100
    assert len(ends) == 2


@pytest.mark.parametrize("known", [True, False])
def test_a_registration_whose_answer_was_lost_is_not_refused_the_second_time(
    session_factory: SessionFactory, make_run: MakeRun, known: bool
) -> None:
    lease = _claim(session_factory, make_run())
    first = _register(session_factory, lease) if known else None

    second = _register(session_factory, lease)

    assert first is None or second.id == first.id
    with reading(session_factory) as session:
        assert session.scalars(select(Adapter.run_id)).all() == [lease.run_id]


def _race(session_factory: SessionFactory, make_run: MakeRun, action: str, races: int) -> Counter[str]:
    """How the runs ended, and whether the click was accepted; fails on the first end that must not be."""
    ends: Counter[str] = Counter()
    with ThreadPoolExecutor(2) as pool:
        for number in range(races):
            lease = _claim(session_factory, make_run(f"Run {number}"))
            together = threading.Barrier(2)
            clicking = pool.submit(_click, session_factory, lease, action, together, _head_start(-number))
            pool.submit(_finish, session_factory, lease, together, _head_start(number)).result()
            status = _judge(session_factory, lease, action, was_accepted=clicking.result())
            ends[f"{status}, {'accepted' if clicking.result() else 'refused'}"] += 1
    return ends


def _head_start(number: int) -> float:
    """Seconds to wait: one side is a little faster, and a few milliseconds let either win."""
    return max(0, (number % 9 - 4)) / 1000


def _click(
    session_factory: SessionFactory, lease: Lease, action: str, together: threading.Barrier, seconds: float
) -> bool:
    together.wait()
    time.sleep(seconds)
    try:
        with transaction(session_factory) as session:
            ACTIONS[action](session, lease.run_id)
    except Conflict as error:
        assert "already finished" in error.message
        return False
    return True


def _finish(session_factory: SessionFactory, lease: Lease, together: threading.Barrier, seconds: float) -> None:
    """As a worker does: register, and when that is refused, do what the person wants."""
    together.wait()
    time.sleep(seconds)
    try:
        _register(session_factory, lease)
    except LeaseLost:
        with transaction(session_factory) as session:
            assert runs.renew(session, lease) == "cancel"
            runs.end(session, lease, "cancelled")


def _judge(session_factory: SessionFactory, lease: Lease, action: str, *, was_accepted: bool) -> str:
    with reading(session_factory) as session:
        run = session.get_one(Run, lease.run_id)
        made = session.scalars(select(Adapter.id).where(Adapter.run_id == run.id)).all()
        last = session.scalars(select(RunEvent).where(RunEvent.run_id == run.id).order_by(RunEvent.seq)).all()[-1]
    expected = "cancelled" if action == "cancel" and was_accepted else "succeeded"
    words = "The run was cancelled." if expected == "cancelled" else "The run finished."
    too_late = TOO_LATE.get(action, "") if was_accepted else ""
    assert (run.status, len(made)) == (expected, 1 if expected == "succeeded" else 0)
    assert (last.kind, last.message) == (expected, words + too_late)
    return run.status


def _claim(session_factory: SessionFactory, run: Run) -> Lease:
    with transaction(session_factory) as session:
        lease = runs.claim(session, run.id, "w1")
    assert lease is not None
    return lease


def _register(session_factory: SessionFactory, lease: Lease) -> Adapter:
    exported = Exported(
        archive="adapter.zip",
        sha256="0" * 64,
        size_bytes=1,
        files=[],
        step=12,
        validation_loss=None,
        trained_parameters=1,
        base_revision=None,
    )
    stored = StoredFile(adapters.archive_key(lease.run_id, lease.epoch), "0" * 64, 1)
    with transaction(session_factory) as session:
        return adapters.register(session, lease, exported, stored)
