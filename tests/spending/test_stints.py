"""Every attempt's time is counted once, however it ends, and what it cost is added up by month, dataset and run."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from studio import runs
from studio.actors import LOCAL_ACTOR, Actor
from studio.budget.capping import Spent
from studio.db import SessionFactory, reading, transaction
from studio.queue import SilentQueue
from studio.runs import Lease, Run, Stint
from studio.settings import Settings
from studio.spending.stints import lines, spent, spent_before, totals

MakeRun = Callable[..., Run]
NOVEMBER = datetime(2026, 11, 5, tzinfo=UTC).timestamp()
OCTOBER = datetime(2026, 10, 31, 23, tzinfo=UTC).timestamp()


def test_a_claim_opens_a_stint_and_a_renewal_extends_it(session_factory: SessionFactory, make_run: MakeRun) -> None:
    lease = _claim(session_factory, make_run())
    _move(session_factory, lease, began=-100.0)

    with transaction(session_factory) as session:
        runs.renew(session, lease)

    (stint,) = _stints(session_factory)
    assert stint.epoch == lease.epoch
    assert stint.until - stint.began == pytest.approx(100, abs=5)


def test_a_run_that_is_held_counts_up_to_its_last_sign(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    lease = _claim(session_factory, run)
    _move(session_factory, lease, began=-100.0, until=-90.0)

    with reading(session_factory) as session:
        found = spent(session, session.get_one(Run, run.id))

    assert found.seconds == pytest.approx(100, abs=5)


def test_time_between_attempts_is_free(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    for seconds in (30.0, 50.0):
        lease = _claim(session_factory, run)
        _move(session_factory, lease, began=-seconds)
        with transaction(session_factory) as session:
            runs.hand_back(session, lease, "Paused.")
        _shift(session_factory, lease, -1000.0)

    with reading(session_factory) as session:
        row = session.get_one(Run, run.id)
        assert spent(session, row).seconds == pytest.approx(80, abs=5)
        assert spent_before(session, row, lease.epoch).seconds == pytest.approx(30, abs=5)


def test_the_end_of_a_run_ends_its_stint(session_factory: SessionFactory, make_run: MakeRun) -> None:
    lease = _claim(session_factory, make_run())
    _move(session_factory, lease, began=-20.0)

    with transaction(session_factory) as session:
        runs.end(session, lease, "failed", kind="internal", reason="No.")

    (stint,) = _stints(session_factory)
    assert stint.until - stint.began == pytest.approx(20, abs=5)


def test_a_silent_worker_is_counted_up_to_its_last_sign(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    lease = _claim(session_factory, run)
    _move(session_factory, lease, began=-1000.0, until=-1000.0)
    with transaction(session_factory) as session:
        # Its last write was 400 s ago.
        session.execute(update(Run).values(lease_until=Run.lease_until - 400.0))

    with transaction(session_factory) as session:
        assert runs.reap(session) == [run.id]

    (stint,) = _stints(session_factory)
    assert stint.until - stint.began == pytest.approx(600, abs=5)


def test_a_retry_counts_what_the_run_before_it_spent_and_a_run_again_does_not(
    session_factory: SessionFactory, settings: Settings, make_run: MakeRun
) -> None:
    parent = make_run()
    lease = _claim(session_factory, parent)
    _move(session_factory, lease, began=-60.0)
    with transaction(session_factory) as session:
        runs.end(session, lease, "failed", kind="internal", reason="No.")
    queue = SilentQueue()

    child = runs.retry(session_factory, LOCAL_ACTOR, parent.id, queue=queue, settings=settings)
    with transaction(session_factory) as session:
        again = runs.run_again(session, LOCAL_ACTOR, parent.id, queue=queue, settings=settings)

    with reading(session_factory) as session:
        assert spent(session, session.get_one(Run, child.id)).seconds == pytest.approx(60, abs=5)
        assert spent(session, session.get_one(Run, again.id)) == Spent()


def test_totals_by_month_dataset_and_run(session_factory: SessionFactory, make_run: MakeRun) -> None:
    first, second = make_run("First"), make_run("Second")
    _held(session_factory, first, 1, OCTOBER, hours=0.5, price=2.0)
    # It began in October and ended in November, where it counts.
    _held(session_factory, first, 2, OCTOBER, hours=2.0, price=4.0)
    _held(session_factory, second, 1, NOVEMBER, hours=1.0, price=None)
    with transaction(session_factory) as session:
        session.execute(update(Run).where(Run.id == first.id).values(epoch=2, seconds_saved=1800.0))

    with reading(session_factory) as session:
        months = totals(session, LOCAL_ACTOR, "month")
        by_run = totals(session, LOCAL_ACTOR, "run", month="2026-11")
        (dataset,) = totals(session, LOCAL_ACTOR, "dataset")
        strange = totals(session, Actor(id="someone-else"), "run")

    assert [(m.key, m.runs, m.seconds / 3600, m.dollars) for m in months] == [
        ("2026-11", 2, 3.0, 8.0),
        ("2026-10", 1, 0.5, 1.0),
    ]
    assert (months[0].unpriced_seconds, months[0].saved_seconds, months[0].saved_dollars) == (3600.0, 1800.0, 2.0)
    assert {(r.label, r.dollars, r.unpriced_seconds) for r in by_run} == {
        ("First", 8.0, 0.0),
        ("Second", None, 3600.0),
    }
    assert (dataset.label, dataset.runs, dataset.seconds) == ("Numbers", 2, 3.5 * 3600)
    assert strange == []


def test_lines_are_attempts_newest_first(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run("First")
    _held(session_factory, run, 1, OCTOBER, hours=0.5, price=2.0)
    _held(session_factory, run, 2, NOVEMBER, hours=0.25, price=None)

    with reading(session_factory) as session:
        found = lines(session, LOCAL_ACTOR)
        october = lines(session, LOCAL_ACTOR, month="2026-10")

    assert [(line["attempt"], line["hours"], line["dollars"]) for line in found] == [(2, 0.25, None), (1, 0.5, 1.0)]
    assert [line["attempt"] for line in october] == [1]


def _claim(session_factory: SessionFactory, run: Run) -> Lease:
    with transaction(session_factory) as session:
        lease = runs.claim(session, run.id, "w1")
    assert lease is not None
    return lease


def _move(session_factory: SessionFactory, lease: Lease, *, began: float, until: float = 0.0) -> None:
    """As if the claim had been earlier: seconds relative to when it was."""
    mine = (Stint.run_id == lease.run_id, Stint.epoch == lease.epoch)
    with transaction(session_factory) as session:
        session.execute(update(Stint).where(*mine).values(began=Stint.began + began, until=Stint.until + until))


def _shift(session_factory: SessionFactory, lease: Lease, seconds: float) -> None:
    _move(session_factory, lease, began=seconds, until=seconds)


def _stints(session_factory: SessionFactory) -> list[Stint]:
    with reading(session_factory) as session:
        return list(session.scalars(select(Stint)))


def _held(
    session_factory: SessionFactory, run: Run, epoch: int, began: float, *, hours: float, price: float | None
) -> None:
    with transaction(session_factory) as session:
        session.add(Stint(run_id=run.id, epoch=epoch, began=began, until=began + hours * 3600, dollars_per_hour=price))
