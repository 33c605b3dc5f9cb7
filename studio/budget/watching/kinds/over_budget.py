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

    @classmethod
    def title_of(cls, *, is_over: bool) -> str:
        """Only a run that ended at its cap still shows this alert."""
        return "The run reached its cap" if is_over else cls.title

    def look(self, heard: Heard) -> dict[str, float] | None:
        """Points hold no money, so nothing is ever found in them."""
        return None

    @staticmethod
    def cause(facts: Facts) -> str:
        """Dollars where they are known."""
        cost, cap = _forecast_and_cap(facts)
        ends = ""
        if facts.get("last_step") and facts.get("steps"):
            ends = f", at about step {facts['last_step']:,.0f} of {facts['steps']:,.0f}"
        return f"At this pace the whole run takes {cost}; it is stopped at {cap}{ends}, and its best weights are kept."

    @classmethod
    def past_cause(cls, facts: Facts) -> str:
        """What was foretold; the run's own line says where it ended, and with what."""
        cost, cap = _forecast_and_cap(facts)
        return f"It was forecast to take {cost} in all, and stopped at its cap of {cap}."

    @staticmethod
    def stop(facts: Facts) -> str:
        """There is nothing to hurry for."""
        return "Let it go on to its cap"

    @staticmethod
    def advice(facts: Facts) -> str:
        """What a next run can do."""
        return "Next time a higher cap, fewer epochs or fewer validations let it end by itself."


def _forecast_and_cap(facts: Facts) -> tuple[str, str]:
    if "cap_dollars" in facts:
        return in_dollars(facts["forecast_dollars"]), in_dollars(facts["cap_dollars"])
    return _hours(facts["forecast_hours"]), _hours(facts["cap_hours"])


def _hours(hours: float) -> str:
    if hours >= 1:
        return f"{hours:.1f} hours"
    # Below two minutes a rounded minute is off by up to a half.
    return f"{60 * hours:.0f} minutes" if hours * 60 >= 2 else f"{3600 * hours:.0f} seconds"
