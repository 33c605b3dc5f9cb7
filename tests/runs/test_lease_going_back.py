"""A run goes back to its committed checkpoint; what lies behind it is kept and hidden."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from studio import runs
from studio.db import SessionFactory, reading, transaction
from studio.runs import Checkpoint, Lease, Point, Retry, Run, SampleAnswer
from studio.runs.events import Answer, Answered, Checkpointed, Event, Measured, PhaseBegan

MakeRun = Callable[..., Run]


def test_a_claim_supersedes_what_lies_behind_the_checkpoint(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    first = _claim(session_factory)
    _train(session_factory, first, steps=[1, 2, 3, 4, 5], checkpoints=[3])
    _hand_back(session_factory, first)

    second = _claim(session_factory)
    _train(session_factory, second, steps=[4, 5, 6])

    assert _points(session_factory, superseded=False) == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)]
    assert _points(session_factory, superseded=True) == [(4, 1), (5, 1)]
    with reading(session_factory) as session:
        answers = [(answer.step, answer.epoch) for answer in runs.read_answers(session, run)]
        hidden = session.scalars(select(SampleAnswer.step).where(SampleAnswer.superseded)).all()
    assert answers == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)]
    assert sorted(hidden) == [4, 5]


def test_a_claim_without_a_checkpoint_supersedes_everything(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    first = _claim(session_factory)
    _train(session_factory, first, steps=[0, 1, 2])
    _hand_back(session_factory, first)

    _claim(session_factory)

    assert _points(session_factory, superseded=False) == []
    again = _read(session_factory, run)
    assert (again.step, again.best_step, again.initial_validation_loss) == (0, None, None)


def test_a_claim_puts_the_row_back_to_its_checkpoint(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    first = _claim(session_factory)
    _train(session_factory, first, steps=[1, 2, 3, 4], checkpoints=[2])
    with transaction(session_factory) as session:
        session.get_one(Run, run.id).best_step = 4
    _hand_back(session_factory, first)

    _claim(session_factory)

    again = _read(session_factory, run)
    assert (again.step, again.best_step, again.best_validation_loss) == (2, 2, 1.5)
    assert (again.checkpoint_step, again.checkpoint_epoch, again.claimed_step) == (2, 1, 2)
    with reading(session_factory) as session:
        event = runs.read_events(session, again)[-1]
    assert event.message == "A worker took the run behind step 2."


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(
    session_factory: SessionFactory, make_run: MakeRun
) -> None:
    run = make_run()
    lease = _claim(session_factory)
    _train(session_factory, lease, steps=[1, 2, 3, 4, 5], checkpoints=[2, 4])

    previous = _fall_back(session_factory, lease)

    assert previous is not None
    assert (previous.step, previous.epoch) == (2, 1)
    assert _points(session_factory, superseded=False) == [(1, 1), (2, 1)]
    stands = _read(session_factory, run)
    assert (stands.step, stands.checkpoint_step, stands.claimed_step) == (2, 2, 2)
    with reading(session_factory) as session:
        assert session.scalars(select(Checkpoint.step)).all() == [2]
        last = runs.read_events(session, run)[-1]
    assert last.message == "The checkpoint of step 4 was damaged on disk, so the run goes on from step 2."


def test_behind_the_last_damaged_checkpoint_lies_the_beginning(
    session_factory: SessionFactory, make_run: MakeRun
) -> None:
    run = make_run()
    lease = _claim(session_factory)
    _train(session_factory, lease, steps=[1, 2], checkpoints=[2])

    assert _fall_back(session_factory, lease) is None

    stands = _read(session_factory, run)
    assert (stands.step, stands.checkpoint_step, stands.checkpoint_epoch) == (0, None, None)
    assert _points(session_factory, superseded=False) == []


def test_of_two_folders_of_one_step_the_other_is_tried_first(
    session_factory: SessionFactory, make_run: MakeRun
) -> None:
    make_run()
    first = _claim(session_factory)
    _train(session_factory, first, steps=[1, 2], checkpoints=[2])
    _hand_back(session_factory, first)
    second = _claim(session_factory)
    _train(session_factory, second, steps=[], checkpoints=[2])

    previous = _fall_back(session_factory, second)

    assert previous is not None
    assert (previous.step, previous.epoch) == (2, 1)
    assert _points(session_factory, superseded=False) == [(1, 1), (2, 1)]


def test_falling_back_twice_is_falling_back_once(session_factory: SessionFactory, make_run: MakeRun) -> None:
    make_run()
    lease = _claim(session_factory)
    _train(session_factory, lease, steps=[1, 2, 3, 4], checkpoints=[2, 4])
    with reading(session_factory) as session:
        damaged = runs.committed_checkpoint(session, lease.run_id)
    assert damaged is not None

    for _ in range(2):
        with transaction(session_factory) as session:
            previous = runs.fall_back(session, lease, damaged)

    assert previous is not None
    assert previous.step == 2


def test_progress_counts_from_the_checkpoint_that_was_fallen_back_to(
    session_factory: SessionFactory, make_run: MakeRun
) -> None:
    run = make_run()
    first = _claim(session_factory)
    _train(session_factory, first, steps=[1, 2, 3, 4], checkpoints=[2, 4])
    _hand_back(session_factory, first)
    second = _claim(session_factory)
    _fall_back(session_factory, second)
    _train(session_factory, second, steps=[3], checkpoints=[3])

    with transaction(session_factory) as session:
        decision = runs.retry_or_give_up(session, second, "The trainer crashed.")

    assert decision == Retry(0.0, 0, 0)
    assert _read(session_factory, run).phase_note == "The trainer crashed. The run goes on from step 3."


def test_a_checkpoint_ends_the_count_of_idle_attempts_also_when_the_attempt_ends_in_order(
    session_factory: SessionFactory, make_run: MakeRun
) -> None:
    run = make_run()
    with transaction(session_factory) as session:
        session.get_one(Run, run.id).idle_attempts = 2
    lease = _claim(session_factory)
    held = _read(session_factory, run)
    _train(session_factory, lease, steps=[1, 2], checkpoints=[2])

    _hand_back(session_factory, lease)

    left = _read(session_factory, run)
    assert (held.idle_attempts, held.attempt) == (2, 3)
    assert (left.idle_attempts, left.attempt) == (0, 0)


@pytest.mark.parametrize("desired", ["run", "pause", "keep"])
def test_a_run_that_is_handed_back_waits_with_its_wish(
    session_factory: SessionFactory, make_run: MakeRun, desired: str
) -> None:
    run = make_run()
    lease = _claim(session_factory)
    _wish(session_factory, run, desired)

    _hand_back(session_factory, lease)

    left = _read(session_factory, run)
    assert (left.status, left.desired, left.is_paused) == ("queued", desired, desired == "pause")


def test_a_run_that_is_handed_back_after_a_cancellation_ends(
    session_factory: SessionFactory, make_run: MakeRun
) -> None:
    run = make_run()
    lease = _claim(session_factory)
    _wish(session_factory, run, "cancel")

    _hand_back(session_factory, lease)

    assert _read(session_factory, run).status == "cancelled"


def _claim(session_factory: SessionFactory) -> Lease:
    with transaction(session_factory) as session:
        lease = runs.claim_next(session, "w1")
    assert lease is not None
    return lease


def _train(
    session_factory: SessionFactory, lease: Lease, *, steps: list[int], checkpoints: list[int] | None = None
) -> None:
    events: list[Event] = [PhaseBegan(phase="training")]
    for step in steps:
        answer = Answer(position=0, row_number=1, prompt="Say 1.", expected="It is 1.", answer=str(step))
        events.append(Measured(step=step, values={"train/loss": 9.0 - step}))
        events.append(Answered(step=step, answers=[answer]))
    events += [
        Checkpointed(step=n, manifest_sha256="0" * 64, size_bytes=1, best_step=n, best_validation_loss=n - 0.5)
        for n in checkpoints or []
    ]
    with transaction(session_factory) as session:
        runs.record(session, lease, events)


def _hand_back(session_factory: SessionFactory, lease: Lease) -> None:
    with transaction(session_factory) as session:
        runs.hand_back(session, lease, "The studio was stopped.")


def _fall_back(session_factory: SessionFactory, lease: Lease) -> Checkpoint | None:
    with transaction(session_factory) as session:
        damaged = runs.committed_checkpoint(session, lease.run_id)
        assert damaged is not None
        return runs.fall_back(session, lease, damaged)


def _wish(session_factory: SessionFactory, run: Run, desired: str) -> None:
    with transaction(session_factory) as session:
        session.get_one(Run, run.id).desired = desired


def _points(session_factory: SessionFactory, *, superseded: bool) -> list[tuple[int, int]]:
    """Step and epoch of each."""
    query = select(Point.step, Point.epoch).where(Point.superseded.is_(superseded)).order_by(Point.step, Point.epoch)
    with reading(session_factory) as session:
        return [(step, epoch) for step, epoch in session.execute(query)]


def _read(session_factory: SessionFactory, run: Run) -> Run:
    with reading(session_factory) as session:
        return session.get_one(Run, run.id)
