"""Validation loss rises while training loss falls."""

from studio.budget.watching.base import Alerting, Facts
from studio.budget.watching.heard import Heard


class Overfitting(Alerting):
    """The rows are learned by heart: what was gained on them is lost on others."""

    kind = "overfitting"
    title = "Overfitting"
    metrics = ("eval/loss",)
    silenced_by = ("divergence",)

    def look(self, heard: Heard) -> dict[str, float] | None:
        """Compare the training loss around the best validation with that of now."""
        rise = heard.risen()
        if rise is None or rise.now is None:
            return None
        before, now = rise.before, rise.now
        falls = before is not None and now.middle < before.middle - max(before.error + now.error, 0.02 * before.middle)
        # What is far below the validation loss has fallen already.
        if not falls and now.middle > 0.5 * rise.last:
            return None
        return {"best_step": rise.since, "best": rise.best, "validation": rise.last, "training": now.middle}

    @staticmethod
    def cause(facts: Facts) -> str:
        """Say since when."""
        return (
            f"Validation loss has risen from {facts['best']:.3g} at step {facts['best_step']:,.0f} to "
            f"{facts['validation']:.3g}, while training loss fell to {facts['training']:.3g}: "
            "the run memorises its rows."
        )

    @staticmethod
    def stop(facts: Facts) -> str:
        """The best weights are kept anyway."""
        best = facts["best_step"]
        return f"Stop here and keep step {best:,.0f}" if best else "Stop this run"

    @staticmethod
    def advice(facts: Facts) -> str:
        """What no setting replaces."""
        return "More rows, or more varied ones, help most."
