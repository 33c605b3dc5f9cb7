"""The training loss explodes; one that is no number ends the run without any alert."""

from studio.budget.watching.base import Alerting, Facts
from studio.budget.watching.heard import Heard, level, middle

# Learning by heart falls at the start of an epoch and climbs by a fifth within it; this is no such thing.
_SHARE, _LEAST = 0.35, 0.4
_SIGMAS = 3.5


class Divergence(Alerting):
    """Three of four losses of a window lie far above the best level so far: no single batch does that."""

    kind = "divergence"
    title = "The loss explodes"
    severity = "bad"
    metrics = ("train/loss",)

    def look(self, heard: Heard) -> dict[str, float] | None:
        """Compare the last window with the lowest level before it, or with the untrained model."""
        window, losses = heard.window, heard.losses
        if len(losses.values) < window + 1:
            return None
        levels = heard.levels[: (len(losses.values) - window) // window]
        known = [one.middle for one in levels] + ([] if heard.untrained is None else [heard.untrained])
        if not known:
            return None
        best = min(known)
        # The newest loss alone settles almost every look.
        if losses.values[-1] < best + _LEAST:
            return None
        now, far = level(losses.values[-window:]), _far(best)
        sigma = middle([one.sigma for one in levels] or [now.sigma])
        is_plain = now.low >= best + max(far / 2, _SIGMAS * sigma)
        if now.middle < best + far or not (is_plain or self._is_confirmed(heard, losses.steps[-window])):
            return None
        return {"from": best, "to": now.middle, "since": losses.steps[-window]}

    def _is_confirmed(self, heard: Heard, since: int) -> bool:
        """Whether a validation of this window is as far off: a mean over many rows needs no other proof."""
        steps, values = heard.validation.steps, heard.validation.values
        if not steps or steps[-1] < since:
            return False
        best = min(values)
        return values[-1] >= best + _far(best)

    @staticmethod
    def cause(facts: Facts) -> str:
        """Say how far."""
        return (
            f"Training loss has gone from {facts['from']:.3g} up to {facts['to']:.3g} since about step "
            f"{facts['since']:,.0f}: the steps are too long, and the weights run away."
        )

    @staticmethod
    def stop(facts: Facts) -> str:
        """It does not come back."""
        return "Stop this run, for it seldom recovers"


def _far(best: float) -> float:
    return max(_SHARE * best, _LEAST)
