"""How the rungs of a ladder stand, in numbers: what each gained, how good it is, what it cost. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from studio.runs.status import TERMINAL

# Runs that learn lower the untrained model's loss by far more: those recorded in tests/data/curves by 66 to 97 %.
# Within this share, soft prompts and IA3 have learned next to nothing, as often on small models where LoRA learns.
LITTLE_LEARNED = 0.15
_HOUR = 3600.0


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
class Worth:
    """What a rung gained over what was there before it, as a share, and that for each dollar and hour it took.

    None where it is not known: before the rung has a result, or without a price.
    """

    gain: float | None = None
    per_dollar: float | None = None
    per_hour: float | None = None


def worth_of(rungs: Sequence[Rung], number: int) -> Worth:
    """The gain of a rung, and what it is for the money and the time of that rung alone."""
    rung, gain = rungs[number], gain_of(rungs, number)
    if gain is None:
        return Worth()
    return Worth(
        gain=gain,
        per_dollar=gain / rung.dollars if rung.dollars else None,
        per_hour=gain / rung.seconds * _HOUR if rung.seconds else None,
    )


def gain_of(rungs: Sequence[Rung], number: int) -> float | None:
    """By which share a rung lowered the best validation loss before it; None where there is none to compare.

    The untrained model's loss counts as one, for that model costs nothing.
    """
    rung = rungs[number]
    before = [one.loss for one in rungs[:number] if one.has_result and one.loss is not None]
    start = untrained_loss(rungs)
    known = before if start is None else [*before, start]
    if not rung.has_result or rung.loss is None or not known or min(known) <= 0:
        return None
    return (min(known) - rung.loss) / min(known)


def quality_of(rungs: Sequence[Rung], number: int) -> float | None:
    """How far a rung came of the way from the untrained model's loss to the best one: 1 is the best rung."""
    start, best, loss = untrained_loss(rungs), best_loss(rungs), rungs[number].loss
    if loss is None or start is None or best is None or not rungs[number].has_result or start <= best:
        return None
    return (start - loss) / (start - best)


def learned_share(rungs: Sequence[Rung]) -> float | None:
    """By which share the best rung lies below the untrained model's loss; None where either is not known."""
    start, best = untrained_loss(rungs), best_loss(rungs)
    return None if start is None or best is None or start <= 0 else (start - best) / start


def has_learned_little(rungs: Sequence[Rung]) -> bool:
    """Whether even the best rung is so close to the untrained model that a lack of gain says nothing of the next."""
    learned = learned_share(rungs)
    return learned is not None and learned < LITTLE_LEARNED


def is_compared(rungs: Sequence[Rung], number: int) -> bool:
    """Whether a rung has a result, and one below it has, too."""
    return rungs[number].has_result and any(rung.has_result for rung in rungs[:number])


def passed_over(rungs: Sequence[Rung], min_gain: float) -> list[int]:
    """The rungs that gained too little, and were climbed past because nothing had been learned by then."""
    highest = max((rung.number for rung in rungs if rung.is_launched), default=0)
    found = []
    for number in range(highest):
        until_then = rungs[: number + 1]
        gain = gain_of(until_then, number)
        if is_compared(until_then, number) and gain is not None and gain < min_gain and has_learned_little(until_then):
            found.append(number)
    return found


def untrained_loss(rungs: Sequence[Rung]) -> float | None:
    """The lowest that any rung began with: a learned prompt begins with random words, and worse."""
    return min((one.untrained for one in rungs if one.has_result and one.untrained is not None), default=None)


def best_loss(rungs: Sequence[Rung]) -> float | None:
    """The lowest that any rung reached."""
    return min((one.loss for one in rungs if one.has_result and one.loss is not None), default=None)


def is_priced(rungs: Sequence[Rung]) -> bool:
    """Whether all of them can be compared in dollars."""
    return all(rung.dollars for rung in rungs)


def cost_of(rung: Rung, among: Sequence[Rung]) -> float:
    """Dollars where all the rungs that it is compared with have them, else seconds."""
    return (rung.dollars or 0.0) if is_priced(among) else rung.seconds
