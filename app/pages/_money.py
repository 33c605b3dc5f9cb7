"""What a run has cost until now, how that stands to its cap, and why it ended before its last step."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.amounts import dollars
from app.render import count, duration
from studio import spending
from studio.budget.capping import CapName, Spent, words_of_cap
from studio.runs import Run

_HOUR = 3600.0
_TO_THE_CAP = "At this pace it stops at its cap."


@dataclass(frozen=True, slots=True)
class Money:
    """Sentences; empty where there is nothing to say. `share` is how much of the nearest cap is spent, if there is one.

    `of_cap` names that one, and each of them before anything is spent.
    """

    spent: str
    of_cap: str
    share: float | None
    forecast: str
    ended: str

    @property
    def is_capped(self) -> bool:
        """The cap ends the run before its last step, so the time to that step is not what is left."""
        return self.forecast == _TO_THE_CAP


def money_of(session: Session, run: Run) -> Money:
    """Count a run with those that it goes on from, as its cap does."""
    spent = spending.spent(session, run)
    price = spending.last_price(session, run)
    caps = _caps(run, spent, price)
    nearest = max(caps, key=lambda cap: cap[1], default=None)
    told = [nearest] if nearest and spent.seconds else caps
    return Money(
        spent=_amount(spent) if spent.seconds else "",
        of_cap=" or ".join(words_of_cap(run.run_spec.budget, by) for by, _ in told),
        share=min(1.0, nearest[1]) if nearest else None,
        forecast=_forecast(run, spent, price),
        ended=_ended(run, spent, price),
    )


def short_spent(spent: Spent | None) -> str:
    """Dollars where there was a price, else time."""
    if spent is None or not spent.seconds:
        return "–"
    return dollars(spent.dollars) if spent.dollars is not None else duration(spent.seconds)


def stopped_words(run: Run) -> str:
    """Why a run ended before its last step, in two or three words."""
    if run.stopped_by is None or not run.is_over:
        return ""
    return "stopped early" if run.stopped_by == "early_stopping" else "stopped at its cap"


def _amount(spent: Spent) -> str:
    if spent.dollars is None:
        return f"{duration(spent.seconds)} held"
    return f"{dollars(spent.dollars)} spent in {duration(spent.seconds)}"


def _caps(run: Run, spent: Spent, price: float | None) -> list[tuple[CapName, float]]:
    """Each limit with the share of it that is spent."""
    budget, found = run.run_spec.budget, list[tuple[CapName, float]]()
    if budget.max_hours is not None:
        found.append(("max_hours", spent.seconds / _HOUR / budget.max_hours))
    if budget.max_dollars is not None:
        unpriced = spent.unpriced_seconds / _HOUR * (price or 0.0)
        found.append(("max_dollars", ((spent.dollars or 0.0) + unpriced) / budget.max_dollars))
    return found


def _forecast(run: Run, spent: Spent, price: float | None) -> str:
    """What it will come to at the present pace; the cap is where it ends."""
    if not run.is_active or run.seconds_left is None:
        return ""
    whole = Spent(
        spent.seconds + run.seconds_left,
        None if spent.dollars is None or price is None else spent.dollars + run.seconds_left / _HOUR * price,
        spent.unpriced_seconds,
    )
    if any(share > 1 for _, share in _caps(run, whole, price)):
        return _TO_THE_CAP
    return (
        f"About {dollars(whole.dollars)} in all at this pace."
        if whole.dollars is not None
        else f"About {duration(whole.seconds)} in all at this pace."
    )


def _ended(run: Run, spent: Spent, price: float | None) -> str:
    if run.stopped_by is None or not run.is_over:
        return ""
    where = f"at step {count(run.step)} of {count(run.total_steps)}"
    took = f"{dollars(spent.dollars)} spent" if spent.dollars is not None else f"{duration(spent.seconds)} held"
    if run.stopped_by == "early_stopping":
        saved = run.seconds_saved or 0.0
        left = dollars(saved / _HOUR * price) if price is not None else duration(saved)
        return f"Stopped early {where}: {took}, {left} saved. The validation loss no longer fell enough."
    cap = words_of_cap(run.run_spec.budget, "max_dollars" if run.stopped_by == "max_dollars" else "max_hours")
    if run.status == "succeeded":
        kept = "The best weights are kept." if run.best_step is not None else "The last weights are kept."
        return f"Stopped {where}, at its cap of {cap}: {took}. {kept}"
    return f"Ended at its cap of {cap}: {took}, and there was nothing to keep."
