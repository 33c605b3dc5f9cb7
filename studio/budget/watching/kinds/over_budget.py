"""The run will not be done before its cap; found by who counts the money, told here in words."""

from studio.budget.capping import in_dollars
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
            cost, cap = in_dollars(facts["forecast_dollars"]), in_dollars(facts["cap_dollars"])
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
    if hours >= 1:
        return f"{hours:.1f} hours"
    # Below two minutes a rounded minute is off by up to a half.
    return f"{60 * hours:.0f} minutes" if hours * 60 >= 2 else f"{3600 * hours:.0f} seconds"
