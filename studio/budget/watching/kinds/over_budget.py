"""The run will not be done before its cap; found by who counts the money, told here in words."""

from studio.budget.watching.base import Alerting, Facts
from studio.budget.watching.heard import Heard


class OverBudget(Alerting):
    """Facts: `forecast_dollars` and `cap_dollars`, or `forecast_hours` and `cap_hours`; `last_step`, `steps`.

    `last_step` is the one at which the cap will end the run, of the run's `steps`.
    """

    kind = "over_budget"
    title = "The run will reach its cap"

    def look(self, heard: Heard) -> dict[str, float] | None:
        """Points hold no money, so nothing is ever found in them."""
        return None

    @staticmethod
    def cause(facts: Facts) -> str:
        """Dollars where they are known."""
        if "cap_dollars" in facts:
            cost, cap = f"${facts['forecast_dollars']:.2f}", f"${facts['cap_dollars']:.2f}"
        else:
            cost, cap = _hours(facts["forecast_hours"]), _hours(facts["cap_hours"])
        ends = ""
        if facts.get("last_step") and facts.get("steps"):
            ends = f", at about step {facts['last_step']:,.0f} of {facts['steps']:,.0f}"
        return f"At this pace the whole run takes {cost}; it is stopped at {cap}{ends}, and its best weights are kept."

    @staticmethod
    def stop(facts: Facts) -> str:
        """There is nothing to hurry for."""
        return "Let it go on to its cap"

    @staticmethod
    def advice(facts: Facts) -> str:
        """What a next run can do."""
        return "Next time a higher cap, fewer epochs or fewer validations let it end by itself."


def _hours(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"
