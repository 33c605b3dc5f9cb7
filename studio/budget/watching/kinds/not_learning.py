"""Neither loss falls: both stay where they were, or both rise."""

from studio.budget.watching.base import Alerting, Facts
from studio.budget.watching.heard import Heard

# A validation loss that has not fallen by this share has not fallen: a run that is worth its money gains more.
_LEAST_GAIN = 0.01
# Below this there is little to learn, and to stand still is no fault.
_LEARNED = 0.1
# Prompt tuning may stand still for the first quarter of a run.
_SHARE_OF_RUN = 1 / 3
_FEWEST_EVALUATIONS = 4
_FEWEST_LEVELS = 8


class NotLearning(Alerting):
    """Money is spent and nothing comes of it."""

    kind = "not_learning"
    title = "Not learning"
    metrics = ("eval/loss", "train/loss")
    silenced_by = ("divergence", "overfitting", "dead_learning_rate", "zero_loss")

    def look(self, heard: Heard) -> dict[str, float] | None:
        """Look at the validation loss where it is new; at the training loss alone where there is no other."""
        if not heard.validation.values:
            return self._flat_training(heard)
        if heard.validation.steps[-1] != heard.step:
            return None
        return self._both_rise(heard) or self._both_flat(heard)

    def _both_rise(self, heard: Heard) -> dict[str, float] | None:
        rise = heard.risen()
        if rise is None or rise.before is None or rise.now is None:
            return None
        before, now = rise.before, rise.now
        if now.middle - before.middle < max(0.05 * before.middle, 0.05, 2 * (before.error + now.error)):
            return None
        return {"rises": 1.0, "since": rise.since, "first": rise.best, "last": rise.last}

    def _both_flat(self, heard: Heard) -> dict[str, float] | None:
        untrained, measured = heard.untrained, heard.validation
        if untrained is None or untrained < _LEARNED or len(measured.values) <= _FEWEST_EVALUATIONS:
            return None
        if heard.step < max(_SHARE_OF_RUN * heard.steps, self.course.warmup_steps):
            return None
        if min(measured.values[1:]) < (1 - _LEAST_GAIN) * untrained or self._falls(heard):
            return None
        return {"rises": 0.0, "since": 0, "first": untrained, "last": measured.values[-1]}

    def _falls(self, heard: Heard) -> bool:
        """Whether the training loss is clearly lower than at first."""
        first, now = heard.losses.between(-1, heard.step // 4), heard.losses.between(3 * heard.step // 4, heard.step)
        if first is None or now is None:
            return False
        return first.middle - now.middle > max(2 * _LEAST_GAIN * first.middle, 2 * (first.error + now.error))

    def _flat_training(self, heard: Heard) -> dict[str, float] | None:
        """Without validation rows only a curve calm enough to show a fall of a hundredth can be called flat."""
        if len(heard.losses.values) % heard.window or len(heard.levels) < _FEWEST_LEVELS:
            return None
        if heard.step < max(0.5 * heard.steps, self.course.warmup_steps):
            return None
        half = heard.step // 2
        first, now = heard.losses.between(-1, half), heard.losses.between(half, heard.step)
        if first is None or now is None or first.middle < _LEARNED:
            return None
        if first.error + now.error > 0.5 * _LEAST_GAIN * first.middle:
            return None
        if first.middle - now.middle > _LEAST_GAIN * first.middle:
            return None
        return {"rises": 0.0, "since": 0, "first": first.middle, "last": now.middle}

    @staticmethod
    def cause(facts: Facts) -> str:
        """Flat and rising have different causes."""
        from_, to = f"{facts['first']:.3g}", f"{facts['last']:.3g}"
        if facts["rises"]:
            since = f"since step {facts['since']:,.0f}" if facts["since"] else "since the beginning"
            return (
                f"Training loss and validation loss rise together {since}, validation from {from_} to {to}: "
                "the steps are too long, and the run unlearns what it had."
            )
        return (
            f"The loss stands still: {from_} at first, {to} now. The steps are too short, or the rows hold nothing "
            "that can be learned from what comes before the answer."
        )

    @staticmethod
    def stop(facts: Facts) -> str:
        """What was good before the rise is worth keeping."""
        return f"Stop here and keep step {facts['since']:,.0f}" if facts["since"] else "Stop this run"

    @staticmethod
    def advice(facts: Facts) -> str:
        """The rows are to blame only where nothing moves."""
        return "" if facts["rises"] else "Look at a few rows in the token view: is the answer what is learned?"
