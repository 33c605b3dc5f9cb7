"""Says where training ends before its last step: at the cap, or where the validation loss no longer falls."""

import time
from collections.abc import Callable

from studio.budget.capping import CapName, words_of_cap
from studio.budget.deadline import Deadline
from studio.budget.stopping import Plateau, Stopping
from studio.runs import Plan
from studio.runs.events import Alerted, Noted, Stopped
from worker.assignment import Assignment
from worker.event_log import EventLog
from worker.leaving import Orders
from worker.state import Report


class OutOfTime(Exception):
    """An evaluation would go on beyond the cap; it is given up."""


class NothingTrained(Exception):
    """The cap was reached before the first step."""


class Guard:
    """Asked at each boundary; once it has said that a step is the last one, it stays so.

    What it says of the validation loss is a function of the report alone, so an attempt that resumes ends at the same
    step. What it says of the cap depends on the clock.
    """

    def __init__(
        self,
        assignment: Assignment,
        plan: Plan,
        report: Report,
        orders: Orders,
        events: EventLog,
        deadline: Deadline | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without a deadline there is no cap."""
        early = assignment.spec.evaluation.early_stopping
        self._stopping = Stopping(early.patience, early.min_delta, early.warmup_evaluations)
        self._assignment = assignment
        self._plan = plan
        self._report = report
        self._orders = orders
        self._events = events
        self._deadline = deadline
        self._clock = clock
        self._plateau: Plateau | None = None
        self._is_capped = False
        self._has_told = False
        self._has_warned = False
        self._start_clock()

    def begin(self, step: int) -> bool:
        """Before an attempt's first step, with `step` done before it: whether there is nothing left to train.

        Raises NothingTrained when the cap leaves no time for the first step of all.
        """
        self._look()
        self._is_capped = self._leaves_no_step()
        self.tell(step)
        if self._is_capped and step == 0:
            raise NothingTrained
        self._start_clock()
        return step >= self._plan.steps or self._ends_early

    def stepped(self, step: int) -> None:
        """A step was made, its evaluation not yet."""
        if self._deadline is None:
            return
        evaluated = self._report.evaluating_seconds - self._evaluated_before
        self._deadline.stepped(self._clock() - self._began - evaluated)
        self._is_capped |= not self._deadline.allows_step(self._clock())
        self._warn(step)

    def evaluated(self, seconds: float) -> None:
        """An evaluation was made."""
        self._look()
        if self._deadline is not None:
            self._deadline.evaluated(seconds)

    def saved(self, seconds: float) -> None:
        """A checkpoint was written."""
        if self._deadline is not None:
            self._deadline.saved(seconds)

    def evaluates(self, step: int) -> bool:
        """Whether an evaluation is made behind this step: a due one or that of the last step, in time for the cap.

        A due one that leaves no time for another step and its own evaluation waits until that step: else what is left
        of the cap would be lost.
        """
        is_due = step % self._plan.evaluate_every == 0
        if is_due and self._deadline is not None:
            is_due = self._deadline.allows_step_behind_evaluation(self._clock())
        return (is_due or self.is_last(step)) and self.may_measure()

    def settle(self, step: int) -> bool:
        """Behind a step and the evaluation that was due: whether training ends here."""
        if self._deadline is not None:
            self._is_capped |= not self._deadline.allows_step(self._clock())
        return self.is_last(step)

    def go_on(self) -> None:
        """The next step begins."""
        self._start_clock()

    def is_last(self, step: int) -> bool:
        """Whether no step comes behind this one, as far as is known."""
        return step >= self._plan.steps or self._orders.finish or self._ends_early

    def may_measure(self) -> bool:
        """Whether an evaluation, and closing behind it, end before the cap."""
        return self._deadline is None or self._deadline.allows_evaluation(self._clock())

    def check(self) -> None:
        """Within an evaluation: raise OutOfTime when only closing still fits."""
        if self._is_out_of_time():
            raise OutOfTime

    def tell(self, step: int) -> None:
        """Say once why training ends before its last step, if it does."""
        if step >= self._plan.steps or not self._ends_early or self._has_told:
            return
        self._has_told = True
        steps, early = self._plan.steps, self._assignment.spec.evaluation.early_stopping
        if self._plateau is not None:
            where = f"stopped early at step {step:,} of {steps:,}"
            self._report.ended = f"{where}: the validation loss no longer fell enough"
            note = self._plateau.sentence(steps, early.min_delta)
            stopped = Stopped(
                by="early_stopping",
                step=step,
                total_steps=steps,
                seconds_saved=self._seconds_unspent(step),
            )
        else:
            self._report.ended = f"stopped at step {step:,} of {steps:,}, at its cap of {self._cap_words}"
            note = (
                f"Stopped at step {step:,} of {steps:,}: another step would have passed the cap of {self._cap_words}. "
                "The best weights are kept."
            )
            stopped = Stopped(by=self._cap_name, step=step, total_steps=steps)
        self._events.emit(Noted(message=note), stopped)

    def _seconds_unspent(self, step: int) -> float:
        """What the rest of the run would have taken; never more than its cap would have let it."""
        left = self._report.seconds_left(self._plan, step)
        return left if self._deadline is None else max(0.0, min(left, self._deadline.ends_at - self._clock()))

    @property
    def _ends_early(self) -> bool:
        return self._is_capped or self._plateau is not None

    @property
    def _cap_name(self) -> CapName:
        cap = self._assignment.cap
        assert cap is not None
        return cap.by

    @property
    def _cap_words(self) -> str:
        return words_of_cap(self._assignment.spec.budget, self._cap_name)

    def _look(self) -> None:
        losses = ((step, loss) for step, name, loss in self._report.points if name == "eval/loss")
        self._plateau = self._stopping.look(losses)

    def _leaves_no_step(self) -> bool:
        """With the pace of earlier attempts, if there were any."""
        if self._deadline is None:
            return False
        report = self._report
        self._deadline.expect(report.step_seconds, report.evaluating_seconds / max(1, report.evaluations))
        return not self._deadline.allows_step(self._clock())

    def _is_out_of_time(self) -> bool:
        return self._deadline is not None and not self._deadline.allows_going_on(self._clock())

    def _start_clock(self) -> None:
        self._began, self._evaluated_before = self._clock(), self._report.evaluating_seconds

    def _warn(self, step: int) -> None:
        """Once an attempt, as soon as the pace is known and all that is left will not be done before the cap."""
        if self._has_warned or self._is_capped or self._deadline is None:
            return
        left, now = self._report.seconds_left(self._plan, step), self._clock()
        beyond = self._deadline.forecast(now, left)
        if beyond is None:
            return
        self._has_warned = True
        share = max(0.0, 1 - beyond / left) if left > 0 else 0.0
        facts = {"last_step": float(step + int(share * (self._plan.steps - step))), "steps": float(self._plan.steps)}
        self._events.emit(Alerted(kind="over_budget", step=step, facts=facts | self._amounts(beyond)))

    def _amounts(self, beyond_seconds: float) -> dict[str, float]:
        """The forecast and the cap, in the unit of the cap."""
        budget, price = self._assignment.spec.budget, self._assignment.dollars_per_hour
        if self._cap_name == "max_dollars" and budget.max_dollars is not None and price is not None:
            cap, beyond, unit = budget.max_dollars, beyond_seconds / 3600 * price, "dollars"
        else:
            cap, beyond, unit = budget.max_hours or 0.0, beyond_seconds / 3600, "hours"
        return {f"forecast_{unit}": cap + beyond, f"cap_{unit}": cap}
