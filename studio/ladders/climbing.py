"""Whether a ladder climbs on, and which of its rungs to keep. Pure: it knows numbers, no rows and no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from studio.budget.capping import Spent
from studio.ladders import words
from studio.ladders.standing import Rung, cost_of, gain_of, has_learned_little, is_compared, quality_of, untrained_loss
from studio.runs.spec_limits import Budget

State = Literal["climbing", "done", "stopped"]
_HOUR = 3600.0
# Less of the cap than this is rounding, not a budget.
_REST_OF_CAP = 0.01


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
    if not is_worth_it(rungs, last, min_gain):
        return Move(state="done", outcome=words.not_worth_it(rungs, last, min_gain))
    if not higher:
        return Move(state="done", outcome=words.at_the_top(rungs, last, min_gain))
    if cap_left(budget, spent) is None:
        return Move(state="done", outcome=words.cap_spent(rungs, last, higher[0].label))
    return Move(launch=higher[0].number)


def is_worth_it(rungs: Sequence[Rung], last: Rung, min_gain: float) -> bool:
    """Whether to climb on from the last rung: it gained enough, or nothing can be said of its gain yet.

    That is so of the first result, of a rung that failed, and as long as no rung has learned more than a little.
    """
    gain = gain_of(rungs, last.number)
    if gain is None or not is_compared(rungs, last.number):
        return True
    return gain >= min_gain or has_learned_little(rungs)


def cap_left(budget: Budget, spent: Spent) -> Budget | None:
    """What the next rung may cost; None when the cap is spent. A ladder without a cap has none for its rungs."""
    dollars, hours = budget.max_dollars, budget.max_hours
    left_dollars = None if dollars is None else dollars - (spent.dollars or 0.0)
    left_hours = None if hours is None else hours - spent.seconds / _HOUR
    for whole, left in ((dollars, left_dollars), (hours, left_hours)):
        if whole is not None and left is not None and left <= _REST_OF_CAP * whole:
            return None
    return Budget(max_dollars=left_dollars, max_hours=left_hours)


def rung_to_keep(rungs: Sequence[Rung], min_gain: float) -> Keep | None:
    """The cheapest rung that is as good as the best one, but for a gain that would not be worth it; None before one."""
    able = [rung for rung in rungs if rung.has_result]
    if not able:
        return None
    best = min(able, key=_loss)
    if quality_of(rungs, best.number) is None and best.untrained is not None:
        return Keep(None, "No rung is better than the untrained model: a good prompt for it costs nothing.")
    start = untrained_loss(rungs)
    better = [rung for rung in able if start is None or _loss(rung) < start]
    near = [rung for rung in better if _loss(rung) - _loss(best) < min_gain * _loss(rung)] or [best]
    kept = min(near, key=lambda rung: (cost_of(rung, able), rung.number))
    if len(able) == 1:
        return Keep(kept.number, words.keep_only(kept))
    sentence = words.keep_best(able, best) if kept is best else words.keep_near(rungs, able, kept, best)
    return Keep(kept.number, sentence)


def _loss(rung: Rung) -> float:
    return rung.loss if rung.loss is not None else float("inf")
