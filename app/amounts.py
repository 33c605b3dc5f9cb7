"""Words for estimated and paid amounts: money, time, memory and counts, never with more digits than are known."""

import math

from studio.budget.capping import in_dollars

_HOUR, _DAY = 3600, 86_400
_GIB = 2**30
_LEAST = 0.0001
# Just below ten cents, what two digits round up to ten.
_SMALL = 0.0995
_UNDER = "under $0.0001"
_EXACT_UP_TO = 9_999.5
# From these limits on three digits round up to the next unit.
_COUNTS = ((999_500, 1e3, "k"), (999.5e6, 1e6, "M"))


def dollars(value: float | None) -> str:
    """What was paid or is asked: to the cent, to the dollar from 1,000 on, and in two digits below ten cents.

    An own card at the price of its power trains for fractions of a cent, under caps that are as small.
    """
    if value is None or not math.isfinite(value):
        return "–"
    if 0 < value < _SMALL:
        return in_dollars(value) if value >= _LEAST else _UNDER
    return f"${value:,.2f}" if value < 1000 else f"${value:,.0f}"


def hourly(value: float | None) -> str:
    """A price for an hour."""
    return f"{dollars(value)} an hour" if value is not None and math.isfinite(value) else "–"


def dollars_between(low: float, high: float) -> str:
    """An estimate of money in two digits: `$0.40 to $0.60`, or `about $0.40` where both ends read the same."""
    if high < _LEAST:
        return _UNDER
    begin, end = _two_digits_of_money(low), _two_digits_of_money(high)
    if low < _LEAST:
        return f"up to {end}"
    return f"about {begin}" if begin == end else f"{begin} to {end}"


def time_between(low: float, high: float) -> str:
    """An estimate of time in two digits: `35 to 55 min`; what is less than one of that unit has its own: `42 s`."""
    size, unit = _unit_of_time(high)
    end = _two_digits(high / size)
    if low < size:
        size, own = _unit_of_time(low)
        return f"{_two_digits(low / size)} {own} to {end} {unit}"
    begin = _two_digits(low / size)
    return f"about {begin} {unit}" if begin == end else f"{begin} to {end} {unit}"


def gib(size_bytes: float | None) -> str:
    """An estimate of memory in two digits: `9.4`, without its unit, which is GiB everywhere."""
    return "–" if size_bytes is None else _two_digits(size_bytes / _GIB)


def short_memory(size_bytes: float | None) -> str:
    """The same with its unit: `9.4 GiB`, and `39 MiB` below a tenth."""
    if size_bytes is None or size_bytes >= _GIB / 10:
        return f"{gib(size_bytes)} GiB"
    return f"{_two_digits(size_bytes / 2**20)} MiB"


def short_count(value: float | None) -> str:
    """A large count as people say it: `950`, `1.7 M`, `0.6 B`."""
    if value is None:
        return "–"
    if value < _EXACT_UP_TO:
        return f"{value:,.0f}"
    size, unit = next(((size, unit) for below, size, unit in _COUNTS if value < below), (1e9, "B"))
    return f"{value / size:,.3g} {unit}"


def _unit_of_time(seconds: float) -> tuple[int, str]:
    if seconds < 99.5:
        return 1, "s"
    if seconds < 90 * 60:
        return 60, "min"
    return (_HOUR, "h") if seconds < 2 * _DAY else (_DAY, "days")


def _two_digits_of_money(value: float) -> str:
    if value >= 9.95 or value < _SMALL:
        return f"${_two_digits(value)}"
    return f"${float(_two_digits(value)):.2f}"


def _two_digits(value: float) -> str:
    """Two significant digits in plain notation: 0.004, 0.85, 9.4, 17, 1,200."""
    if value <= 0 or not math.isfinite(value):
        return "0"
    places = 1 - math.floor(math.log10(value))
    rounded = round(value, places)
    if rounded >= 10:
        return f"{rounded:,.0f}"
    return f"{rounded:.{max(0, places)}f}".rstrip("0").rstrip(".")
