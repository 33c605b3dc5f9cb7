"""The cap: for how long an attempt may hold its hardware before the run costs more than was said. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from studio.runs.spec_limits import Budget

CapName = Literal["max_dollars", "max_hours"]
# Just below ten cents, what two digits round up to ten.
_SMALL = 0.0995


@dataclass(frozen=True, slots=True)
class Spent:
    """What hardware was held for; `dollars` cover the time that had a price (None: none had), the rest is unpriced."""

    seconds: float = 0.0
    dollars: float | None = None
    unpriced_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Cap:
    """What is left of a budget at the beginning of an attempt; `seconds` may be negative. `by` is the nearer limit."""

    seconds: float
    by: CapName


def cap_of(budget: Budget, spent: Spent, dollars_per_hour: float | None) -> Cap | None:
    """What is left; None without a cap, and where a cap in dollars has no price to count with.

    Time of earlier attempts that had no price counts at the present one: a cap is never stretched by what is unknown.
    """
    left: list[Cap] = []
    if budget.max_hours is not None:
        left.append(Cap(budget.max_hours * 3600 - spent.seconds, "max_hours"))
    if budget.max_dollars is not None and dollars_per_hour is not None:
        dollars = budget.max_dollars - (spent.dollars or 0.0)
        left.append(Cap(dollars / dollars_per_hour * 3600 - spent.unpriced_seconds, "max_dollars"))
    return min(left, key=lambda cap: cap.seconds, default=None)


def words_of_cap(budget: Budget, by: CapName) -> str:
    """The limit as a person set it: `$2.50` or `1.5 h`."""
    if by == "max_dollars":
        return in_dollars(budget.max_dollars or 0.0)
    return f"{budget.max_hours:g} h"


def in_dollars(amount: float) -> str:
    """An amount to the cent; below ten cents in two digits, as of an own card at the price of its power."""
    return f"${amount:,.2f}" if amount >= _SMALL or not amount else f"${Decimal(f'{amount:.2g}'):f}"
