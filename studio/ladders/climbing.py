"""Whether a ladder climbs on, and which of its rungs to keep. Pure: it knows numbers, no rows and no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from studio.budget.capping import Spent
from studio.runs.spec_limits import Budget
from studio.runs.status import TERMINAL

State = Literal["climbing", "done", "stopped"]
_HOUR = 3600.0
# Less of the cap than this is rounding, not a budget.
_REST_OF_CAP = 0.01


@dataclass(frozen=True, slots=True)
class Rung:
    """How a rung stands. `status` is that of its run, `waiting` before there is one.

    `loss` is the best validation loss and `untrained` that before training, in nats per token; `seconds` and `dollars`
    were spent on the rung alone, `dollars` None where a part of it had no price.
    """

    number: int
    label: str
    status: str = "waiting"
    loss: float | None = None
    untrained: float | None = None
    seconds: float = 0.0
    dollars: float | None = None

    @property
    def is_launched(self) -> bool:
        """Whether it has, or had, a run."""
        return self.status != "waiting"

    @property
    def is_over(self) -> bool:
        """Whether its run has ended."""
        return self.status in TERMINAL

    @property
    def has_result(self) -> bool:
        """Whether it can be compared."""
        return self.status == "succeeded" and self.loss is not None


@dataclass(frozen=True, slots=True)
class Move:
    """What to do next: launch the rung of this number, or end the climb with a sentence."""

    launch: int | None = None
    state: State = "climbing"
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Keep:
    """The rung to keep; `number` None when none of them is better than the untrained model."""

    number: int | None
    sentence: str


def next_move(rungs: Sequence[Rung], min_gain: float, budget: Budget, spent: Spent) -> Move | None:
    """Decide from how the rungs stand; None while one of them still waits for its turn or trains.

    `budget` is the cap of the whole ladder, `spent` what all its runs have cost so far.
    """
    launched = [rung for rung in rungs if rung.is_launched]
    if any(not rung.is_over for rung in launched):
        return None
    higher = [rung for rung in rungs if rung.number > max((one.number for one in launched), default=-1)]
    if not launched:
        return Move(launch=rungs[0].number)
    last = launched[-1]
    if last.status == "cancelled":
        return Move(state="stopped", outcome=f"{last.label} was cancelled, so the ladder was not climbed further.")
    if sentence := _not_worth_it(rungs, last, min_gain):
        return Move(state="done", outcome=sentence)
    if not higher:
        return Move(state="done", outcome=_top_words(rungs))
    if cap_left(budget, spent) is None:
        return Move(state="done", outcome=f"The ladder's cap is spent, so {higher[0].label} was not launched.")
    return Move(launch=higher[0].number)


def cap_left(budget: Budget, spent: Spent) -> Budget | None:
    """What the next rung may cost; None when the cap is spent. A ladder without a cap has none for its rungs."""
    dollars, hours = budget.max_dollars, budget.max_hours
    left_dollars = None if dollars is None else dollars - (spent.dollars or 0.0)
    left_hours = None if hours is None else hours - spent.seconds / _HOUR
    for whole, left in ((dollars, left_dollars), (hours, left_hours)):
        if whole is not None and left is not None and left <= _REST_OF_CAP * whole:
            return None
    return Budget(max_dollars=left_dollars, max_hours=left_hours)


def gain_of(rungs: Sequence[Rung], number: int) -> float | None:
    """By which share a rung lowered the best validation loss of those below it; None where there is none to compare."""
    rung = rungs[number]
    before = [one.loss for one in rungs[:number] if one.has_result and one.loss is not None]
    if not rung.has_result or rung.loss is None or not before or min(before) <= 0:
        return None
    return (min(before) - rung.loss) / min(before)


def quality_of(rungs: Sequence[Rung], number: int) -> float | None:
    """How far a rung came of the way from the untrained model's loss to the best one: 1 is the best rung.

    The untrained loss is the lowest that any rung began with: a learned prompt begins with random words, and worse.
    """
    losses = [one.loss for one in rungs if one.has_result and one.loss is not None]
    starts = [one.untrained for one in rungs if one.has_result and one.untrained is not None]
    loss = rungs[number].loss
    if loss is None or not losses or not starts or not rungs[number].has_result or min(starts) <= min(losses):
        return None
    return (min(starts) - loss) / (min(starts) - min(losses))


def rung_to_keep(rungs: Sequence[Rung], min_gain: float) -> Keep | None:
    """The cheapest rung that is as good as the best one, but for a gain that would not be worth it; None before one."""
    able = [rung for rung in rungs if rung.has_result]
    if not able:
        return None
    best = min(able, key=_loss)
    if quality_of(rungs, best.number) is None and best.untrained is not None:
        return Keep(None, "No rung is better than the untrained model: a good prompt for it costs nothing.")
    near = [rung for rung in able if _loss(rung) - _loss(best) < min_gain * _loss(rung)] or [best]
    kept = min(near, key=lambda rung: (_cost(rung, able), rung.number))
    return Keep(kept.number, _keep_words(rungs, able, kept, best))


def _not_worth_it(rungs: Sequence[Rung], last: Rung, min_gain: float) -> str:
    gain = gain_of(rungs, last.number)
    if last.status != "succeeded" or gain is None or gain >= min_gain:
        return ""
    if gain <= 0:
        return f"{last.label} did not lower the validation loss, so the ladder was not climbed further."
    return (
        f"{last.label} lowered the validation loss by {100 * gain:.1f} %, less than the {100 * min_gain:g} % that you "
        "asked for: climbing on is not worth it."
    )


def _top_words(rungs: Sequence[Rung]) -> str:
    failed = [rung.label for rung in rungs if rung.status == "failed"]
    if len(failed) == len(rungs):
        return "No rung finished. See why on the page of each run."
    if failed:
        return f"The ladder was climbed to its top; {', '.join(failed)} failed and was left out."
    return "The ladder was climbed to its top, and each gain was worth it."


def _keep_words(rungs: Sequence[Rung], able: Sequence[Rung], kept: Rung, best: Rung) -> str:
    if len(able) == 1:
        return f"Keep {kept.label}: the only rung that finished."
    if kept is best:
        return _best_words(able, best)
    quality = quality_of(rungs, kept.number)
    good = "about the best quality" if quality is None else f"{100 * quality:.0f} % of the best quality"
    return f"Keep {kept.label}: {good} for {_share_words(kept, best, able)}."


def _best_words(able: Sequence[Rung], best: Rung) -> str:
    """Why nothing less will do: what the best cheaper rung lacks."""
    cheaper = [rung for rung in able if _cost(rung, able) < _cost(best, able)]
    if not cheaper:
        return f"Keep {best.label}: the lowest validation loss, and no rung took less."
    second = min(cheaper, key=_loss)
    lower = 100 * (1 - _loss(best) / _loss(second))
    share = _share_words(second, best, able)
    return f"Keep {best.label}: its validation loss is {lower:.0f} % below that of {second.label}, which took {share}."


def _share_words(rung: Rung, best: Rung, able: Sequence[Rung]) -> str:
    share = _cost(rung, able) / _cost(best, able) if _cost(best, able) > 0 else 1.0
    return f"{100 * share:.0f} % of the {'money' if _is_priced(able) else 'time'}"


def _loss(rung: Rung) -> float:
    return rung.loss if rung.loss is not None else float("inf")


def _is_priced(able: Sequence[Rung]) -> bool:
    return all(rung.dollars for rung in able)


def _cost(rung: Rung, able: Sequence[Rung]) -> float:
    """Dollars where every rung has them, else seconds."""
    return (rung.dollars or 0.0) if _is_priced(able) else rung.seconds
