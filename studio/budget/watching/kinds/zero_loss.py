"""A training loss of about nothing: learned by heart, given away by the question, or nothing learned from at all."""

from studio.budget.watching.base import Alerting, Facts
from studio.budget.watching.heard import Heard

# Honest classification ends at 0.01 to 0.05 nats; a mean of 0.001 is a certainty of 99.9 % for each token.
_NOTHING = 1e-3
_BY_HEART = 0.02
# By heart: the validation loss shows that it is not the task that is so easy.
_VALIDATION, _TIMES = 0.3, 20
_FEWEST = 10


class ZeroLoss(Alerting):
    """Nothing is left to learn, so each further step is wasted."""

    kind = "zero_loss"
    title = "Training loss is about zero"
    metrics = ("train/loss",)

    def look(self, heard: Heard) -> dict[str, float] | None:
        """Look at the last window, of ten values at least."""
        if not heard.losses.values or heard.losses.values[-1] >= _BY_HEART:
            return None
        now = heard.losses.last(max(_FEWEST, heard.window))
        if now is None or now.high >= _BY_HEART:
            return None
        validation = heard.validation.values[-1] if heard.validation.values else -1.0
        by_heart = validation >= max(_VALIDATION, _TIMES * now.middle)
        if now.middle >= _NOTHING and not by_heart:
            return None
        first = max(heard.losses.values[:3])
        return {"training": now.middle, "validation": validation, "by_heart": by_heart, "always": first < _NOTHING}

    @staticmethod
    def cause(facts: Facts) -> str:
        """The validation loss tells which it is."""
        seen = f"Training loss is {facts['training']:.2g}"
        if facts["always"]:
            return (
                f"{seen} from the first step on: hardly anything of the rows is learned from, or all is known already."
            )
        if facts["by_heart"]:
            return f"{seen} and validation loss {facts['validation']:.3g}: the run knows its rows by heart."
        return f"{seen}: either the task is trivial, or the question gives the answer away."

    @staticmethod
    def stop(facts: Facts) -> str:
        """What was learned first may be worth keeping."""
        return "Stop this run" if facts["always"] else "Stop here and keep the best step"

    @staticmethod
    def advice(facts: Facts) -> str:
        """Look at what is learned before anything is paid again."""
        if facts["always"]:
            return "Look in the token view at what of a row is learned."
        if facts["by_heart"]:
            return "More rows, or more varied ones, help most."
        return "Look at a few rows: does the question hold the answer?"
