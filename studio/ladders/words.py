"""What a ladder says: why it ended, why it climbed on, and what speaks for the rung to keep. Pure."""

from collections.abc import Mapping, Sequence

from studio.budget.capping import in_dollars
from studio.ladders.standing import (
    LITTLE_LEARNED,
    Rung,
    best_loss,
    cost_of,
    gain_of,
    has_learned_little,
    is_compared,
    is_priced,
    learned_share,
    passed_over,
    quality_of,
)

_MINUTE, _HOUR = 60, 3600


def not_worth_it(rungs: Sequence[Rung], last: Rung, min_gain: float) -> str:
    """The outcome when the last rung gained too little."""
    if (gain_of(rungs, last.number) or 0.0) <= 0:
        return f"{_last_step(rungs, last)}, so the ladder was not climbed further."
    asked = f"less than the {100 * min_gain:g} % that you asked for"
    return f"{_last_step(rungs, last)}, {asked}: climbing on is not worth it."


def at_the_top(rungs: Sequence[Rung], last: Rung, min_gain: float) -> str:
    """The outcome when all rungs were climbed."""
    failed = [rung.label for rung in rungs if rung.status == "failed"]
    if len(failed) == len(rungs):
        return "No rung finished. See why on the page of each run."
    sentence = "The ladder was climbed to its top"
    if failed:
        sentence += f"; {', '.join(failed)} failed and {'was' if len(failed) == 1 else 'were'} left out"
    elif all((gain_of(rungs, rung.number) or 0.0) >= min_gain for rung in rungs if is_compared(rungs, rung.number)):
        sentence += ", and each gain was worth it"
    said = [f"{sentence}.", _said(_last_step(rungs, last)), _little_learned(rungs)]
    return " ".join(one for one in said if one)


def cap_spent(rungs: Sequence[Rung], last: Rung, next_label: str) -> str:
    """The outcome when nothing of the cap is left for the next rung."""
    spent = f"The ladder's cap is spent, so {next_label} was not launched."
    return " ".join(one for one in (_said(_last_step(rungs, last)), spent) if one)


def climbed_past(rungs: Sequence[Rung], min_gain: float) -> list[str]:
    """A sentence for each rung that gained too little, and was climbed past all the same."""
    return [_climbed_past(rungs[: number + 1]) for number in passed_over(rungs, min_gain)]


def other_hardware(chosen: str, estimated: Mapping[str, str], trained: Mapping[str, str]) -> list[str]:
    """Which rungs were estimated for, or trained on, other hardware than the chosen one; each is hardware by rung."""
    unlike = [
        f"Estimated for {hardware}, since no worker had {chosen} at their launch: {rungs}."
        for hardware, rungs in _by_hardware(estimated)
    ]
    trained_on = [
        f"Trained on {hardware} and not on {chosen}, since the first free worker takes a rung: {rungs}."
        for hardware, rungs in _by_hardware(trained)
    ]
    return unlike + trained_on


def keep_only(rung: Rung) -> str:
    """What speaks for the one rung that there is."""
    return f"Keep {rung.label}: the only rung that finished."


def keep_near(rungs: Sequence[Rung], able: Sequence[Rung], kept: Rung, best: Rung) -> str:
    """What speaks for a rung that is as good as the best one but for less than the smallest gain."""
    quality = quality_of(rungs, kept.number)
    is_equal = quality is None or quality >= 0.995
    good = f"about as good as {best.label}" if is_equal else f"{percent(quality or 0.0)} of the quality of {best.label}"
    return f"Keep {kept.label}: {good}, {_cheaper(kept, best, able)}."


def keep_best(able: Sequence[Rung], best: Rung) -> str:
    """Why nothing less than the best will do: what the best cheaper rung lacks."""
    cheaper = [rung for rung in able if cost_of(rung, able) < cost_of(best, able)]
    if not cheaper:
        less = "cost less" if is_priced(able) else "took less time"
        return f"Keep {best.label}: the lowest validation loss, and no rung {less}."
    loss = best_loss(cheaper)
    second = next(rung for rung in cheaper if rung.loss == loss)
    lower = percent(1 - (best.loss or 0.0) / loss) if loss else "0 %"
    return (
        f"Keep {best.label}: {_cost(best, able)} its validation loss is {lower} below what {second.label} reached "
        f"{_cost(second, able)}."
    )


def percent(share: float) -> str:
    """A share in percent with the digits that mean something: `0.8 %`, `12 %`."""
    return f"{100 * share:.0f} %" if abs(share) >= 0.0995 else f"{100 * share:.1f} %"


def _by_hardware(found: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each hardware with its rungs in their order; their names have commas."""
    return [
        (hardware, "; ".join(rung for rung, had in found.items() if had == hardware))
        for hardware in dict.fromkeys(found.values())
    ]


def _last_step(rungs: Sequence[Rung], last: Rung) -> str:
    """What the last rung gained and cost; nothing where it has no result."""
    gain = gain_of(rungs, last.number)
    if gain is None:
        return ""
    if gain <= 0:
        return f"{last.label} did not lower the best validation loss and {_cost_more(last)}"
    return f"{last.label} lowered the best validation loss by {percent(gain)} {_cost(last, [last])} more"


def _said(sentence: str) -> str:
    return f"{sentence}." if sentence else ""


def _little_learned(rungs: Sequence[Rung]) -> str:
    learned = learned_share(rungs)
    if learned is None or not has_learned_little(rungs):
        return ""
    far = f"only {percent(learned)} below" if learned > 0 else "not below"
    return (
        f"The best rung is {far} the untrained model's loss: look at the rows, the learning rate and the number of "
        "epochs before you pay for more."
    )


def _climbed_past(rungs: Sequence[Rung]) -> str:
    """`rungs` end with the one that was climbed past."""
    return (
        f"{_last_step(rungs, rungs[-1])}. By then no rung was {percent(LITTLE_LEARNED)} below the untrained model's "
        "loss, which says nothing about the next rung, so the ladder climbed on."
    )


def _cheaper(kept: Rung, best: Rung, able: Sequence[Rung]) -> str:
    if _amount(kept, able) == _amount(best, able):
        return "at about the same price" if is_priced(able) else "in about the same time"
    return f"{_cost(kept, able)} instead of {_amount(best, able)}"


def _cost_more(rung: Rung) -> str:
    return f"{'cost' if is_priced([rung]) else 'took'} {_amount(rung, [rung])} more"


def _cost(rung: Rung, among: Sequence[Rung]) -> str:
    return f"{'for' if is_priced(among) else 'in'} {_amount(rung, among)}"


def _amount(rung: Rung, among: Sequence[Rung]) -> str:
    return in_dollars(rung.dollars or 0.0) if is_priced(among) else _in_time(rung.seconds)


def _in_time(seconds: float) -> str:
    """In one unit: `42 s`, `50 min`, `2.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 1.5 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f}".removesuffix(".0") + " h"
