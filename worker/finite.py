"""Refuses numbers that are none, before they reach the weights."""

import math

from studio.errors import StudioError


class NonFinite(StudioError):
    """Training has gone to infinity or NaN, so further steps are wasted."""

    code = "non_finite"


def refuse_non_finite(step: int, what: str, value: float) -> None:
    """Raise NonFinite for a loss, gradient or weight that is not a finite number."""
    if not math.isfinite(value):
        word = "NaN" if math.isnan(value) else "infinite"
        raise NonFinite(
            f"The {what} became {word} at step {step}. Lower the learning rate, by half or more, and run again."
        )
