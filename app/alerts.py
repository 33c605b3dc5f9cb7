"""What was found in a run's curves, in words and with settings that one click launches; for pages and the API."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from studio import runs
from studio.budget.watching import Told, say


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """An alert: since which step it is known, its words, and other settings against it."""

    step: int
    told: Told
    suggestions: tuple[runs.Suggestion, ...]


def alerts_of(session: Session, run: runs.Run) -> list[ShownAlert]:
    """The worst first, then in the order of steps."""
    shown = []
    for alert in runs.read_alerts(session, run):
        if alert.kind == "over_budget" and run.is_over and run.stopped_by not in ("max_dollars", "max_hours"):
            # A forecast that did not come true: the run ended by itself, early or by hand.
            continue
        offered = tuple(runs.suggestions_for_alert(run.run_spec, alert.kind, alert.facts))
        told = say(alert.kind, alert.facts, [one.label for one in offered], is_over=run.is_over)
        if told is not None:
            shown.append(ShownAlert(alert.step, told, offered))
    return sorted(shown, key=lambda one: (one.told.severity != "bad", one.step))
