"""The launch form's offer of a ladder: which rungs are ticked, and what the form says of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.amounts import dollars_between, time_between
from studio import ladders
from studio.budget import Range
from studio.errors import InvalidInput
from studio.ladders import DEFAULT_MIN_GAIN, GAIN_FIELD, RUNGS_FIELD, RungChoice
from studio.runs import RunSpec
from studio.spending import MethodOffer, Quote

# On the form, what belongs to the ladder alone has names of its own.
_OF_LADDER = "ladder."
_RUNGS_FIELD = f"{_OF_LADDER}{RUNGS_FIELD}"
_GAIN_FIELD = f"{_OF_LADDER}{GAIN_FIELD}"
_USUAL_GAIN = f"{100 * DEFAULT_MIN_GAIN:g}"


@dataclass(frozen=True, slots=True)
class LadderOffer:
    """What the part is drawn from; `min_gain` is in percent, as it was typed; `price` that of all rungs."""

    rung_choices: tuple[tuple[RungChoice, bool], ...]
    min_gain: str
    price: str


def offer_of(values: Mapping[str, str], spec: RunSpec | None, quote: Quote | None) -> LadderOffer:
    """The offer for a form with these values, and the spec and the quote that they make."""
    chosen = chosen_rungs(values)
    return LadderOffer(
        rung_choices=tuple((choice, choice.key in chosen) for choice in ladders.CHOICES),
        min_gain=values.get(_GAIN_FIELD, _USUAL_GAIN),
        price=_price_words(spec, chosen, quote) if spec and quote else "",
    )


def _price_words(spec: RunSpec, chosen: tuple[str, ...], quote: Quote) -> str:
    """What climbing to the top comes to: each rung at what its method takes; ranks change little about that."""
    try:
        kinds = [one.method.kind for one in ladders.specs_of(spec, chosen)]
    except InvalidInput:
        return ""
    by_kind = {offer.kind: offer for offer in quote.methods}
    offers: list[MethodOffer] = [by_kind[kind] for kind in kinds if kind in by_kind]
    seconds = [offer.seconds for offer in offers if offer.seconds]
    dollars = [offer.dollars for offer in offers if offer.dollars]
    if len(seconds) < len(kinds):
        return ""
    time = time_between(*_sum(seconds))
    return f"{dollars_between(*_sum(dollars))} in {time}" if len(dollars) == len(kinds) else time


def _sum(ranges: list[Range]) -> tuple[float, float]:
    return sum(one.low for one in ranges), sum(one.high for one in ranges)


def chosen_rungs(values: Mapping[str, str]) -> tuple[str, ...]:
    """The ticked ones; the usual ones where the form did not offer them."""
    if _GAIN_FIELD not in values:
        return ladders.usual_rungs()
    return tuple(choice.key for choice in ladders.CHOICES if f"{_RUNGS_FIELD}.{choice.key}" in values)


def min_gain_of(values: Mapping[str, str]) -> float:
    """The smallest gain as a share; raises InvalidInput for what is no number."""
    try:
        return float(values.get(_GAIN_FIELD, "").strip() or _USUAL_GAIN) / 100
    except ValueError as error:
        sentence = "Write a number of percent, such as 2."
        raise InvalidInput(sentence, fields={GAIN_FIELD: sentence}) from error


def at_form_fields(error: InvalidInput) -> InvalidInput:
    """The same error at the names of the form's inputs."""
    own = (RUNGS_FIELD, GAIN_FIELD)
    fields = {f"{_OF_LADDER}{name}" if name in own else name: text for name, text in error.fields.items()}
    return InvalidInput(error.message, fields=fields, problems=error.problems)
