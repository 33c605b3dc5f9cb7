"""The launch form's offer of a ladder: which rungs are ticked, and what the form says of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from studio import ladders
from studio.errors import InvalidInput
from studio.ladders import DEFAULT_MIN_GAIN, RUNGS_FIELD, RungChoice

_GAIN_FIELD = "ladder.min_gain"
_USUAL_GAIN = f"{100 * DEFAULT_MIN_GAIN:g}"


@dataclass(frozen=True, slots=True)
class LadderOffer:
    """What the part is drawn from; `min_gain` is in percent, as it was typed."""

    rung_choices: tuple[tuple[RungChoice, bool], ...]
    min_gain: str


def offer_of(values: Mapping[str, str]) -> LadderOffer:
    """The offer for a form with these values."""
    chosen = chosen_rungs(values)
    return LadderOffer(
        rung_choices=tuple((choice, choice.key in chosen) for choice in ladders.CHOICES),
        min_gain=values.get(_GAIN_FIELD, _USUAL_GAIN),
    )


def chosen_rungs(values: Mapping[str, str]) -> tuple[str, ...]:
    """The ticked ones; the usual ones where the form did not offer them."""
    if _GAIN_FIELD not in values:
        return ladders.usual_rungs()
    return tuple(choice.key for choice in ladders.CHOICES if f"{RUNGS_FIELD}.{choice.key}" in values)


def min_gain_of(values: Mapping[str, str]) -> float:
    """The smallest gain as a share; raises InvalidInput for what is no number."""
    try:
        return float(values.get(_GAIN_FIELD, "").strip() or _USUAL_GAIN) / 100
    except ValueError as error:
        sentence = "Write a number of percent, such as 2."
        raise InvalidInput(sentence, fields={_GAIN_FIELD: sentence}) from error
