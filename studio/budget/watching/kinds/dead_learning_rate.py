"""A learning rate of about nothing, or one under which nothing moves."""

from studio.budget.watching.base import Alerting, Facts
from studio.budget.watching.heard import Heard

# A cosine is below a thousandth of its peak in the last fiftieth of a run.
_NOTHING = 1e-3
_SHARE_AT_NOTHING, _FEWEST_AT_NOTHING = 0.1, 10
# The same rows are validated each time, so that a loss which moves by less than this says that no weight moves.
_STILL = 0.002
_SHARE_OF_RUN = 0.15
_FEWEST_EVALUATIONS = 3
# Of the usual rate of the method: below it, standing still is the rate's fault.
_TINY = 1 / 20
_LEARNED = 0.1


class DeadLearningRate(Alerting):
    """Every step is paid for and changes nothing."""

    kind = "dead_learning_rate"
    title = "The learning rate is too small to learn anything"
    metrics = ("train/learning_rate", "eval/loss")

    def look(self, heard: Heard) -> dict[str, float] | None:
        """Look at the rate itself, then at what it moves."""
        return self._at_nothing(heard) or self._moves_nothing(heard)

    def _at_nothing(self, heard: Heard) -> dict[str, float] | None:
        rates = heard.rates
        if not rates.values or heard.step <= self.course.warmup_steps:
            return None
        if rates.values[-1] > _NOTHING * self.course.learning_rate:
            return None
        since = self._since(heard)
        if rates.steps[-1] - since < max(_SHARE_AT_NOTHING * heard.steps, _FEWEST_AT_NOTHING):
            return None
        return {"rate": rates.values[-1], "since": since, "usual": self.course.usual_rate}

    def _since(self, heard: Heard) -> int:
        """The last step with a rate, or the end of the warm-up."""
        bar = _NOTHING * self.course.learning_rate
        alive = (
            step
            for step, rate in zip(reversed(heard.rates.steps), reversed(heard.rates.values), strict=True)
            if rate > bar
        )
        return next(alive, 0)

    def _moves_nothing(self, heard: Heard) -> dict[str, float] | None:
        if self.course.learning_rate > _TINY * self.course.usual_rate:
            return None
        untrained, measured = heard.untrained, heard.validation
        if untrained is None or untrained < _LEARNED or len(measured.values) <= _FEWEST_EVALUATIONS:
            return None
        if heard.step < max(_SHARE_OF_RUN * heard.steps, self.course.warmup_steps):
            return None
        if max(abs(value - untrained) for value in measured.values) > _STILL * untrained:
            return None
        return {"rate": self.course.learning_rate, "since": 0, "usual": self.course.usual_rate}

    @staticmethod
    def cause(facts: Facts) -> str:
        """Name the rate and the usual one."""
        if facts["since"]:
            return (
                f"Since step {facts['since']:,.0f} the learning rate is {facts['rate']:.1g}: no weight moves any more."
            )
        return (
            f"With a learning rate of {facts['rate']:.1g} the validation loss does not move at all; "
            f"{facts['usual']:g} is usual for this method."
        )

    @staticmethod
    def stop(facts: Facts) -> str:
        """More of the same buys nothing."""
        return "Stop this run"
