"""A deadline leaves room for the next step, its evaluation, a checkpoint, the archive and leaving."""

import pytest

from studio.budget.deadline import Deadline


def _deadline(ends_at: float = 100.0) -> Deadline:
    # Nothing is measured: 40 MB of checkpoint at 100 MB/s and 0.1 s, 10 MB of archive four times, 0.5 s to leave.
    return Deadline(ends_at, checkpoint_bytes=40_000_000, export_bytes=10_000_000, leaving_seconds=0.5)


def test_closing_is_estimated_from_bytes_until_a_checkpoint_was_measured() -> None:
    deadline = _deadline()
    assert deadline.closing == pytest.approx(0.5 + 0.4 + 0.5)

    deadline.saved(0.1)

    # 400 MB/s: the archive takes as much less.
    assert deadline.closing == pytest.approx(0.1 + 0.1 + 0.5)


def test_the_usual_step_stands_for_the_next_with_a_margin() -> None:
    deadline = _deadline()
    deadline.stepped(9.0)
    assert deadline.next_step == 9.0

    # The first step warms up, and one hiccup is no pace.
    for seconds in [2.0, 2.0, 30.0]:
        deadline.stepped(seconds)

    assert deadline.next_step == 2.5


def test_earlier_attempts_stand_in_until_something_was_measured() -> None:
    deadline = _deadline()
    deadline.expect(3.0, 5.0)
    assert (deadline.next_step, deadline.allows_evaluation(100 - 5.0 - 1.4 - 0.01)) == (3.0, True)
    assert not deadline.allows_step(100 - 8.0 - 1.4 + 0.01)

    deadline.stepped(9.0)

    assert deadline.next_step == 9.0


def test_a_step_is_made_only_with_time_for_its_evaluation_and_closing() -> None:
    deadline = _deadline()
    deadline.stepped(10.0)
    deadline.stepped(2.0)
    deadline.evaluated(4.0)
    deadline.saved(0.1)

    # 2 s and a quarter of it, 4 s and a tenth of it; before them 4 s and half of it.
    assert deadline.allows_step(100 - 2.5 - 4.4 - 0.7 - 0.01)
    assert not deadline.allows_step(100 - 2.5 - 4.4 - 0.7 + 0.01)
    assert deadline.allows_step_behind_evaluation(100 - 2.5 - 10.4 - 0.7 - 0.01)
    assert not deadline.allows_step_behind_evaluation(100 - 2.5 - 10.4 - 0.7 + 0.01)
    assert deadline.allows_evaluation(100 - 4.0 - 0.7 - 0.01)
    assert not deadline.allows_evaluation(100 - 4.0 - 0.7 + 0.01)
    assert deadline.allows_going_on(100 - 0.7 - 0.01)
    assert not deadline.allows_going_on(100 - 0.7 + 0.01)


def test_an_evaluation_that_takes_a_little_longer_than_the_last_is_not_lost() -> None:
    deadline = _deadline()
    deadline.stepped(10.0)
    deadline.stepped(2.0)
    deadline.evaluated(40.0)
    deadline.saved(0.1)
    latest = next(now for now in range(100, 0, -1) if deadline.allows_step(now))

    assert deadline.allows_going_on(latest + 2.0 + 1.05 * 40)


def test_a_forecast_waits_for_the_pace_and_ignores_noise() -> None:
    deadline = _deadline()
    deadline.saved(0.1)
    for _ in range(5):
        deadline.stepped(1.0)
    assert deadline.forecast(10.0, 500.0) is None

    deadline.stepped(1.0)

    assert deadline.forecast(10.0, 500.0) == pytest.approx(10 + 500 + 0.7 - 100)
    assert deadline.forecast(10.0, 90.5) is None


def test_a_checkpoint_that_took_no_time_by_the_clock_is_no_pace_of_the_disk() -> None:
    deadline = _deadline()

    deadline.saved(0.0)

    assert 0 < deadline.closing < 100
