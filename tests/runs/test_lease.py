"""Claims, fences and reaping, on both databases and with real threads."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.db import SessionFactory, reading, transaction, utc_now
from studio.runs import Lease, LeaseLost, Run
from studio.runs.events import Measured

MakeRun = Callable[..., Run]


def test_the_oldest_ready_run_is_claimed_first(session_factory: SessionFactory, make_run: MakeRun) -> None:
    newer = make_run("Newer", queued_at=utc_now())
    older = make_run("Older", queued_at=utc_now() - timedelta(hours=1))

    claimed = [_claim(session_factory).run_id for _ in range(2)]

    assert claimed == [older.id, newer.id]
    assert _try_claim(session_factory) is None


def test_a_claim_sets_lease_epoch_and_attempt(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()

    lease = _claim(session_factory, "w7")

    claimed = _read(session_factory, run)
    assert lease == Lease(run_id=run.id, epoch=1, owner="w7")
    assert (claimed.status, claimed.owner, claimed.attempt) == ("starting", "w7", 1)
    assert claimed.lease_until > 0


def test_a_run_that_waits_for_its_time_is_not_claimed(session_factory: SessionFactory, make_run: MakeRun) -> None:
    make_run()
    lease = _claim(session_factory)
    with transaction(session_factory) as session:
        runs.hand_back(session, lease, "Later.", delay_seconds=60)

    assert _try_claim(session_factory) is None


def test_a_hundred_claims_at_once_make_one(session_factory: SessionFactory, make_run: MakeRun) -> None:
    make_run()
    together = threading.Barrier(8)

    def _race(number: int) -> Lease | None:
        if number < 8:
            together.wait()
        return _try_claim(session_factory, f"w{number}")

    with ThreadPoolExecutor(8) as pool:
        claims = [lease for lease in pool.map(_race, range(100)) if lease is not None]

    assert len(claims) == 1


def test_every_run_is_claimed_once_when_workers_race(session_factory: SessionFactory, make_run: MakeRun) -> None:
    queued = {make_run(f"Run {number}").id for number in range(12)}

    def _drain(owner: str) -> list[str]:
        taken = []
        while (lease := _try_claim(session_factory, owner)) is not None:
            taken.append(lease.run_id)
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [run_id for part in pool.map(_drain, "abcd") for run_id in part]

    assert sorted(taken) == sorted(queued)


@pytest.mark.parametrize(
    "write",
    [
        lambda session, lease: runs.renew(session, lease),
        lambda session, lease: runs.read_desire(session, lease),
        lambda session, lease: runs.record(session, lease, [Measured(step=9, values={"train/loss": 1.0})]),
        lambda session, lease: runs.end(session, lease, "succeeded"),
        lambda session, lease: runs.hand_back(session, lease, "Back."),
        lambda session, lease: runs.add_event(session, lease, "note", "Hello."),
    ],
)
def test_a_stale_lease_writes_nothing(
    session_factory: SessionFactory, make_run: MakeRun, write: Callable[..., object]
) -> None:
    run = make_run()
    stale = _claim(session_factory)
    _let_lapse(session_factory, run)
    with transaction(session_factory) as session:
        runs.reap(session)
    before = _state(session_factory, run)

    with pytest.raises(LeaseLost), transaction(session_factory) as session:
        write(session, stale)

    assert _state(session_factory, run) == before


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_a_run_that_is_over_stays_as_it_is(session_factory: SessionFactory, make_run: MakeRun, status: str) -> None:
    run = make_run()
    lease = _claim(session_factory)
    with transaction(session_factory) as session:
        runs.end(session, lease, status, kind="internal" if status == "failed" else None, reason="Over.")

    with pytest.raises(LeaseLost), transaction(session_factory) as session:
        runs.end(session, lease, "failed", kind="internal", reason="Twice.")

    ended = _read(session_factory, run)
    assert (ended.status, ended.owner, ended.phase) == (status, None, "done")
    assert ended.finished_at is not None


def test_a_silent_worker_loses_its_run_to_the_queue(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    _claim(session_factory)
    _let_lapse(session_factory, run)

    with transaction(session_factory) as session:
        assert runs.reap(session) == [run.id]

    taken_back = _read(session_factory, run)
    assert (taken_back.status, taken_back.epoch, taken_back.attempt) == ("queued", 2, 1)
    assert "fell silent" in taken_back.phase_note


def test_a_lease_that_holds_is_not_reaped(session_factory: SessionFactory, make_run: MakeRun) -> None:
    make_run()
    _claim(session_factory)

    with transaction(session_factory) as session:
        assert runs.reap(session) == []


def test_the_third_silence_is_a_crash_loop(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()

    for _ in range(3):
        _end_the_wait(session_factory, run)
        _claim(session_factory)
        _let_lapse(session_factory, run)
        with transaction(session_factory) as session:
            runs.reap(session)

    failed = _read(session_factory, run)
    assert (failed.status, failed.failure_kind, failed.attempt) == ("failed", "crash_loop", 3)


def test_orderly_stops_are_never_a_crash_loop(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()

    for _ in range(5):
        lease = _claim(session_factory)
        with transaction(session_factory) as session:
            runs.hand_back(session, lease, "The studio was stopped.")

    left = _read(session_factory, run)
    assert (left.status, left.idle_attempts, left.attempt) == ("queued", 0, 0)


def test_a_run_that_was_handed_back_keeps_its_place(session_factory: SessionFactory, make_run: MakeRun) -> None:
    first, _second = make_run("First"), make_run("Second")
    lease = _claim(session_factory)

    with transaction(session_factory) as session:
        runs.hand_back(session, lease, "Back.")

    assert _claim(session_factory).run_id == first.id


def test_a_cancelled_run_whose_worker_fell_silent_ends_cancelled(
    session_factory: SessionFactory, make_run: MakeRun
) -> None:
    run = make_run()
    _claim(session_factory)
    with transaction(session_factory) as session:
        runs.cancel(session, LOCAL_ACTOR, run.id)
    _let_lapse(session_factory, run)

    with transaction(session_factory) as session:
        runs.reap(session)

    assert _read(session_factory, run).status == "cancelled"


def test_renewing_tells_what_the_person_desires(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    lease = _claim(session_factory)
    with transaction(session_factory) as session:
        before = runs.renew(session, lease)
    with transaction(session_factory) as session:
        runs.cancel(session, LOCAL_ACTOR, run.id)

    with transaction(session_factory) as session:
        assert (before, runs.renew(session, lease), runs.read_desire(session, lease)) == ("run", "cancel", "cancel")


def test_cancel_and_success_at_once_have_one_winner(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    lease = _claim(session_factory)
    together = threading.Barrier(2)

    def _cancel() -> bool:
        together.wait()
        try:
            with transaction(session_factory) as session:
                runs.cancel(session, LOCAL_ACTOR, run.id)
        except runs.LeaseLost:
            raise
        except Exception as error:
            assert "already finished" in str(error)
            return False
        return True

    def _succeed() -> None:
        together.wait()
        with transaction(session_factory) as session:
            runs.end(session, lease, "succeeded")

    with ThreadPoolExecutor(2) as pool:
        cancelling, ending = pool.submit(_cancel), pool.submit(_succeed)
        ending.result()
        cancelling.result()

    assert _read(session_factory, run).status == "succeeded"


def test_numbers_of_events_have_no_gap_and_no_double(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    lease = _claim(session_factory)

    def _add(number: int) -> None:
        with transaction(session_factory) as session:
            runs.add_event(session, lease, "note", f"Note {number}.")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(_add, range(20)))

    with reading(session_factory) as session:
        numbers = [event.seq for event in runs.read_events(session, run)]
    assert numbers == list(range(1, 22))


def _try_claim(session_factory: SessionFactory, owner: str = "w1") -> Lease | None:
    with transaction(session_factory) as session:
        return runs.claim_next(session, owner)


def _claim(session_factory: SessionFactory, owner: str = "w1") -> Lease:
    lease = _try_claim(session_factory, owner)
    assert lease is not None
    return lease


def _let_lapse(session_factory: SessionFactory, run: Run) -> None:
    with transaction(session_factory) as session:
        session.get_one(Run, run.id).lease_until = 1.0


def _end_the_wait(session_factory: SessionFactory, run: Run) -> None:
    with transaction(session_factory) as session:
        session.get_one(Run, run.id).not_before = 0.0


def _read(session_factory: SessionFactory, run: Run) -> Run:
    with reading(session_factory) as session:
        return session.get_one(Run, run.id)


def _state(session_factory: SessionFactory, run: Run) -> dict[str, object]:
    with reading(session_factory) as session:
        read = session.get_one(Run, run.id)
        columns = {column.name: getattr(read, column.name) for column in Run.__table__.columns}
        return columns | {"events": len(runs.read_events(session, read)), "series": runs.series_names(session, read)}
