"""What a launch is refused for, as far as it is known: it does not fit, or its cap cannot hold. Pure."""

from collections.abc import Iterator

from studio.budget.capping import in_dollars
from studio.budget.cautions import gibibytes
from studio.budget.estimate import Estimate, Fix
from studio.runs import RunSpec
from studio.spending.quotes import PriceFrom, Refusal

_HOUR = 3600.0


def refusals_of(
    spec: RunSpec, estimate: Estimate, fixes: tuple[Fix, ...], price_from: PriceFrom
) -> tuple[Refusal, ...]:
    """The gravest first; nothing is refused on hardware that is not known."""
    if estimate.hardware_id is None:
        return ()
    return (*_memory(estimate, fixes), *_unpriced(spec, estimate, price_from), *_cap(spec, estimate))


def _memory(estimate: Estimate, fixes: tuple[Fix, ...]) -> Iterator[Refusal]:
    if estimate.fit != "does_not_fit" or estimate.memory_bytes is None or estimate.available_bytes is None:
        return
    needs, has = gibibytes(estimate.memory_bytes), gibibytes(estimate.available_bytes)
    sentence = f"This run does not fit: it needs about {needs}, and {estimate.hardware_label} has {has} for it."
    fitting = tuple(fix for fix in fixes if fix.fits)
    if fitting:
        sentence += f" What would fit: {fitting[0].label[:1].lower()}{fitting[0].label[1:]}."
    else:
        sentence += " No setting makes it fit: take other hardware or a smaller base model."
    yield Refusal("does_not_fit", sentence, "hyperparameters.batch_size", fitting)


def _unpriced(spec: RunSpec, estimate: Estimate, price_from: PriceFrom) -> Iterator[Refusal]:
    if spec.budget.max_dollars is not None and price_from != "own":
        sentence = (
            f"A cap in dollars needs a price: set what an hour of {estimate.hardware_label} costs, or cap the hours."
        )
        yield Refusal("no_price", sentence, "budget.max_dollars")


def _cap(spec: RunSpec, estimate: Estimate) -> Iterator[Refusal]:
    """A cap below what even one step costs would only burn money: nothing could be kept."""
    least_seconds = estimate.least_seconds
    if least_seconds is None:
        return
    hours, price = spec.budget.max_hours, estimate.dollars_per_hour
    what = "Loading, the first evaluation, one step and the export"
    if hours is not None and hours * _HOUR < least_seconds:
        sentence = f"{what} take at least {_short(least_seconds)}: a cap of {_short(hours * _HOUR)} leaves no step."
        yield Refusal("cap", sentence, "budget.max_hours")
    dollars = spec.budget.max_dollars
    if dollars is not None and price is not None and dollars < least_seconds / _HOUR * price:
        least = least_seconds / _HOUR * price
        sentence = f"{what} cost at least {in_dollars(least)}: a cap of {in_dollars(dollars)} leaves no step."
        yield Refusal("cap", sentence, "budget.max_dollars")


def _short(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 9.5 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / _HOUR:.1f} h"
