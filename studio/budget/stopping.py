"""Early stopping: whether a run's validation loss has stopped falling. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plateau:
    """The validation loss no longer falls: since `best_step` no loss was lower by `min_delta`."""

    step: int
    best_step: int
    best_loss: float
    validations: int

    def sentence(self, total_steps: int, min_delta: float) -> str:
        """Why training ends."""
        lowest = f"{self.best_loss:.4f} at step {self.best_step:,}" if self.best_step else "never a number"
        since = "one more validation" if self.validations == 1 else f"{self.validations} more validations"
        return (
            f"Stopped early at step {self.step:,} of {total_steps:,}: the validation loss was {lowest}, and {since} "
            f"brought no gain of {min_delta:g}."
        )


@dataclass(frozen=True, slots=True)
class Stopping:
    """Ends a run after `patience` validations in a row without a gain of `min_delta`, never within `warmup` of them.

    The reference is the loss of the last gain, so many small ones add up. A patience of 0 never stops.
    """

    patience: int
    min_delta: float
    warmup: int

    def look(self, losses: Iterable[tuple[int, float]]) -> Plateau | None:
        """The first plateau of the validations (step, loss), in the order of steps; None while there is none.

        The validation of the untrained model, at step 0, does not count; a loss that is no number is no gain.
        """
        best_step, best, without_gain = 0, math.inf, 0
        trained = ((step, loss) for step, loss in losses if step > 0)
        for number, (step, loss) in enumerate(trained, start=1):
            if math.isfinite(loss) and (loss < best - self.min_delta or not best_step):
                best_step, best, without_gain = step, loss, 0
            else:
                without_gain += 1
            if 0 < self.patience <= without_gain and number > self.warmup:
                return Plateau(step, best_step, best, without_gain)
        return None
