"""The cap as the supervisor keeps it: what was spent before counts, and a trainer that does not stop is ended."""

import pytest
from sqlalchemy import select, update

from studio import adapters, runs, spending
from studio.actors import LOCAL_ACTOR
from studio.db import reading, transaction
from studio.runs import Run, Stint
from tests.worker import standin
from tests.worker.benches import MakeRun, claim, messages, on_sqlite, read, supervise_next, with_
from worker.assignment import Assignment
from worker.bench import Bench
from worker.outcome import CAP_BEFORE_CHECKPOINT
from worker.paying import KEPT_TOO_LONG
from worker.supervise import supervise

pytestmark = on_sqlite
TINY = {"base_model": {"id": "folder:tiny"}}


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.follow.CAP_GRACE_SECONDS", 0.5)


def test_an_attempt_is_told_its_price_and_what_is_left(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(**TINY, budget={"max_dollars": 3.0})
    _price(bench, 2.0)
    _held_before(bench, run, seconds=1800.0, price=4.0)

    supervise_next(bench)

    with reading(bench.session_factory) as session:
        stint = session.scalars(select(Stint).order_by(Stint.epoch.desc())).first()
    assert stint is not None
    assert (stint.device, stint.hardware, stint.dollars_per_hour) == ("CPU", "cpu", 2.0)
    assert stint.until > stint.began
    cap = _assignment(bench, run, stint.epoch).cap
    assert cap is not None
    # Two dollars of three are spent, and the hour costs two now.
    assert (cap.by, cap.seconds) == ("max_dollars", 1800.0)


def test_a_hung_trainer_is_ended_at_the_cap_and_its_checkpoint_is_kept(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(**TINY, budget={"max_hours": 3 / 3600})

    supervise_next(with_(bench, train=standin.hang))
    handed_back = read(bench, run.id)
    supervise_next(with_(bench, train=standin.steady))

    ended = read(bench, run.id)
    assert (handed_back.status, handed_back.checkpoint_step) == ("queued", 1)
    assert handed_back.phase_note == (
        "The cap was reached and the trainer had not stopped; the best weights up to step 1 are kept."
    )
    assert (ended.status, ended.stopped_by) == ("succeeded", "max_hours")
    assert "The cap of 0.000833333 h is spent: the best weights up to step 1 are kept." in messages(bench, run)
    with reading(bench.session_factory) as session:
        assert adapters.adapter_of_run(session, ended) is not None
        assert spending.spent(session, ended).seconds < 20


def test_a_trainer_that_listens_finishes_at_the_cap(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(**TINY, budget={"max_hours": 1 / 3600})

    supervise_next(with_(bench, train=standin.steady))

    assert read(bench, run.id).status == "succeeded"


def test_a_cap_that_was_spent_before_the_first_checkpoint_ends_the_run(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(**TINY, budget={"max_hours": 0.1})
    _held_before(bench, run, seconds=360.0, price=None)

    supervise_next(bench)

    ended = read(bench, run.id)
    assert (ended.status, ended.stopped_by) == ("cancelled", "max_hours")
    assert messages(bench, run)[-1] == CAP_BEFORE_CHECKPOINT


def test_what_hangs_before_its_first_checkpoint_leaves_nothing(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(**TINY, budget={"max_hours": 1 / 3600})

    supervise_next(with_(bench, train=standin.wait_for_ever))

    ended = read(bench, run.id)
    assert (ended.status, ended.stopped_by) == ("cancelled", "max_hours")
    assert messages(bench, run)[-1] == CAP_BEFORE_CHECKPOINT


def test_keeping_what_there_is_may_not_go_on_for_ever(
    bench: Bench, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.paying.CLOSING_SECONDS", 1.0)
    run = make_run(**TINY, budget={"max_hours": 0.1})
    supervise_next(with_(bench, train=standin.die_after_each_checkpoint))
    with transaction(bench.session_factory) as session:
        session.execute(update(Stint).values(until=Stint.began + 360.0))

    supervise_next(with_(bench, train=standin.hang))

    ended = read(bench, run.id)
    assert (ended.status, ended.stopped_by) == ("cancelled", "max_hours")
    assert messages(bench, run)[-1] == KEPT_TOO_LONG


def test_a_cap_in_dollars_needs_a_price(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(**TINY, budget={"max_dollars": 2.5})

    supervise_next(bench)

    assert read(bench, run.id).status == "cancelled"
    assert messages(bench, run)[-1].startswith("The run may cost $2.50, and nobody has said what an hour of CPU costs")


def test_a_later_price_changes_no_attempt_that_was(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(**TINY)
    _price(bench, 2.0)
    lease = claim(bench)
    supervise(bench, lease)
    with transaction(bench.session_factory) as session:
        session.execute(update(Stint).values(until=Stint.began + 3600.0))

    _price(bench, 5.0)

    with reading(bench.session_factory) as session:
        assert spending.spent(session, session.get_one(Run, run.id)).dollars == 2.0


def _price(bench: Bench, dollars_per_hour: float) -> None:
    with transaction(bench.session_factory) as session:
        spending.set_price(session, LOCAL_ACTOR, "cpu", dollars_per_hour=dollars_per_hour)


def _held_before(bench: Bench, run: Run, *, seconds: float, price: float | None) -> None:
    """An attempt that came to nothing."""
    lease = claim(bench)
    with transaction(bench.session_factory) as session:
        runs.hand_back(session, lease, "The worker fell silent.")
        began = {"until": Stint.began + seconds, "dollars_per_hour": price}
        session.execute(update(Stint).where(Stint.run_id == run.id).values(began))


def _assignment(bench: Bench, run: Run, epoch: int) -> Assignment:
    return Assignment.read(runs.attempt_folder(bench.settings.runs_dir, run.id, epoch))
