"""The guard says at which step training ends, from what was measured and from a clock that the test moves."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.budget.capping import Cap
from studio.budget.deadline import Deadline
from studio.runs import make_plan, parse_event
from studio.runs.events import Alerted, Event, Noted, Stopped
from studio.runs.folders import EVENTS_FILE
from worker.event_log import EventLog
from worker.guard import Guard, NothingTrained, OutOfTime
from worker.leaving import Orders
from worker.state import Report

from .conftest import Assign


class Course:
    """A run of 100 steps of 1 s each, on a clock of its own; an evaluation takes 2 s, closing 1 s."""

    def __init__(self, log: EventLog, assign: Assign, cap_seconds: float | None, **parts: object) -> None:
        assignment = assign(hyperparameters={"max_steps": 100}, **parts)
        if cap_seconds is not None:
            by = "max_dollars" if assignment.spec.budget.max_dollars else "max_hours"
            update = {"cap": Cap(cap_seconds, by), "dollars_per_hour": 3600.0}
            assignment = assignment.model_copy(update=update)
        self.now = 0.0
        self.report = Report(step_seconds=1.0)
        self._log = log
        deadline = Deadline(cap_seconds, 0, 0, leaving_seconds=0.9) if cap_seconds is not None else None
        plan = make_plan(assignment.spec, assignment.row_count)
        self.guard = Guard(assignment, plan, self.report, Orders(), self._log, deadline, clock=lambda: self.now)

    def run(self, losses: dict[int, float] | None = None) -> int:
        """Step by step as a trainer does it; returns the step at which it ends."""
        assert not self.guard.begin(0)
        for step in range(1, 101):
            self.now += 1.0
            if step == 1:
                self.evaluate(0, 9.0)
            self.guard.stepped(step)
            measured = self.guard.evaluates(step)
            if measured:
                self.evaluate(step, (losses or {}).get(step, 5.0 - step / 100))
            if self.guard.settle(step):
                self.guard.tell(step)
                self.measured = measured
                return step
            self.guard.go_on()
        raise AssertionError("it never ended")

    def evaluate(self, step: int, loss: float) -> None:
        self.now += 2.0
        self.report.points.append((step, "eval/loss", loss))
        self.report.evaluations += 1
        self.report.evaluating_seconds += 2.0
        self.guard.evaluated(2.0)

    def told(self) -> list[Event]:
        return [parse_event(line) for line in (self._log.folder / EVENTS_FILE).read_bytes().splitlines()]


Begin = Callable[..., Course]


@pytest.fixture
def course(tmp_path: Path, assign: Assign) -> Iterator[Begin]:
    assign()
    with EventLog(tmp_path / "attempt-1" / EVENTS_FILE) as log:

        def begin(cap_seconds: float | None = None, **parts: object) -> Course:
            return Course(log, assign, cap_seconds, **parts)

        yield begin


def test_a_healthy_run_goes_to_its_last_step(course: Begin) -> None:
    run = course()

    assert run.run() == 100
    assert run.told() == []


def test_a_run_that_no_longer_gains_ends_and_says_what_it_saved(course: Begin) -> None:
    run = course()

    assert run.run({10: 3.0, 20: 2.0, 30: 2.1, 40: 2.0, 50: 1.9995}) == 50

    note, stopped = run.told()
    assert isinstance(note, Noted)
    assert note.message.startswith("Stopped early at step 50 of 100: the validation loss was 2.0000 at step 20")
    # 50 steps of 1 s, and five evaluations of 2 s.
    assert stopped == Stopped(by="early_stopping", step=50, total_steps=100, seconds_saved=60.0)


def test_it_has_saved_no_more_than_its_cap_would_have_let_it_spend(course: Begin) -> None:
    run = course(budget={"max_hours": 90 / 3600}, cap_seconds=90)

    assert run.run({10: 3.0, 20: 2.0, 30: 2.1, 40: 2.0, 50: 1.9995}) == 50

    # 50 steps of 1 s, and six evaluations of 2 s, lie behind it.
    ended = [one for one in run.told() if isinstance(one, Stopped)]
    assert [one.seconds_saved for one in ended] == [28.0]


def test_it_is_off_where_the_spec_says_so(course: Begin) -> None:
    run = course(evaluation={"early_stopping": {"patience": 0}})

    assert run.run(dict.fromkeys(range(101), 2.0)) == 100


def test_a_run_ends_in_time_for_its_last_evaluation_and_closing(course: Begin) -> None:
    run = course(36.0, budget={"max_hours": 0.01})

    # 26 steps and three evaluations are 32 s. Another step of 1.25 s and 2.2 s of evaluation (with their margins), and
    # 1 s of closing would end at 36.45 s.
    assert run.run() == 26
    assert run.measured
    assert run.now + 1.0 == 35.0

    alert, note, stopped = run.told()
    assert isinstance(alert, Alerted)
    assert isinstance(note, Noted)
    assert note.message.startswith("Stopped at step 26 of 100: another step would have passed the cap of 0.01 h.")
    assert stopped == Stopped(by="max_hours", step=26, total_steps=100)


def test_an_evaluation_that_leaves_no_step_behind_it_waits_for_the_last_one(course: Begin) -> None:
    run = course(42.0, budget={"max_hours": 42 / 3600})

    # Step 30 is done after 36 s. A slow evaluation, a step of 1.25 s, the evaluation of that one and closing end at
    # 43.45 s; so it steps on, until step 32 has been made after 38 s.
    assert run.run() == 32
    assert run.measured
    assert run.now + 1.0 == 41.0


def test_a_forecast_beyond_the_cap_is_told_once_the_pace_is_known(course: Begin) -> None:
    run = course(60.0, budget={"max_dollars": 60.0})

    run.run()

    (alert,) = (event for event in run.told() if isinstance(event, Alerted))
    assert (alert.kind, alert.step) == ("over_budget", 6)
    assert alert.facts["cap_dollars"] == 60.0
    # 100 steps, eleven evaluations, and closing; a dollar a second.
    assert alert.facts["forecast_dollars"] == pytest.approx(123, abs=1)
    assert alert.facts["last_step"] == pytest.approx(48, abs=3)


def test_an_evaluation_that_would_pass_the_cap_is_not_begun(course: Begin) -> None:
    run = course(12.5)
    run.guard.begin(0)
    run.now = 10.0

    assert run.guard.may_measure()
    run.guard.evaluated(2.0)

    assert not run.guard.may_measure()


def test_an_evaluation_is_given_up_where_only_closing_still_fits(course: Begin) -> None:
    run = course(10.0)
    run.now = 8.5
    run.guard.check()

    run.now = 9.5

    with pytest.raises(OutOfTime):
        run.guard.check()


def test_a_cap_that_loading_has_used_up_leaves_nothing_to_keep(course: Begin) -> None:
    run = course(10.0, budget={"max_hours": 0.01})
    run.now = 11.0

    with pytest.raises(NothingTrained):
        run.guard.begin(0)

    assert isinstance(run.told()[-1], Stopped)


def test_an_attempt_that_resumes_knows_the_pace_of_the_one_before(course: Begin) -> None:
    run = course(10.0, budget={"max_hours": 0.01})
    run.report.evaluations, run.report.evaluating_seconds = 2, 4.0
    # A step of 1 s, an evaluation of 2 s with a margin of 0.2 s, and 1 s of closing fit until second 5.8.
    run.now = 6.1

    assert run.guard.begin(40)
    assert isinstance(run.told()[-1], Stopped)


def test_an_attempt_that_resumes_ends_at_the_same_step(course: Begin) -> None:
    first = course()
    first.run(dict.fromkeys(range(101), 2.0))
    second = course()
    second.report.points = list(first.report.points)

    assert second.guard.begin(40)
    assert isinstance(second.told()[-1], Stopped)
