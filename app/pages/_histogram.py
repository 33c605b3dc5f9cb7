"""The histogram of row lengths as the server draws it: bars, ticks and the line of the longest row, in pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

from studio.datasets import Bar, Profile

WIDTH, HEIGHT = 720, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 704, 26, 204
_BARS = 40
_TICKS = 4


@dataclass(frozen=True, slots=True)
class DrawnBar:
    """One bar, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    bar: Bar


@dataclass(frozen=True, slots=True)
class Tick:
    """A number on an axis, and where it is."""

    at: float
    value: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Everything that the template draws; `line` is None where the longest row lies beyond the picture."""

    bars: Sequence[DrawnBar]
    across: Sequence[Tick]
    upwards: Sequence[Tick]
    line: float | None
    last: int
    more: bool
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    top: int = _TOP
    bottom: int = _BOTTOM


def draw_histogram(profile: Profile, max_length: int) -> Histogram:
    """Draw the lengths up to twice the 99th percentile; the last bar holds what is longer."""
    longest, p99 = int(profile.result["longest"]), int(profile.result["percentiles"]["p99"])
    last = max(_BARS, min(longest, 2 * p99))
    last = max(last, min(max_length + max_length // 20, 3 * last))
    found = profile.histogram(last, _BARS)
    last = max(last, found[-1].first)
    most = max(1, max(bar.rows for bar in found))
    across, upwards = (_RIGHT - _LEFT) / last, (_BOTTOM - _TOP) / most
    bars = [_drawn(bar, last, across, upwards) for bar in found]
    return Histogram(
        bars=[bar for bar in bars if bar.bar.rows],
        across=[Tick(round(_LEFT + value * across, 1), value) for value in _round_values(last)],
        upwards=[Tick(round(_BOTTOM - value * upwards, 1), value) for value in _round_values(most)],
        line=round(_LEFT + max_length * across, 1) if max_length <= last else None,
        last=last,
        more=longest > last,
    )


def _drawn(bar: Bar, last: int, across: float, upwards: float) -> DrawnBar:
    height = bar.rows * upwards
    # A single long row must be seen too.
    height = max(1.5, height) if bar.rows else 0.0
    width = (min(bar.last, last) - bar.first + 1) * across
    x = _LEFT + bar.first * across
    return DrawnBar(round(x, 1), round(_BOTTOM - height, 1), round(max(1.0, width - 1), 1), round(height, 1), bar)


def _round_values(most: int) -> list[int]:
    """Round numbers from 0 on, some four of them."""
    rough = max(1, most / _TICKS)
    size = 10 ** (len(str(int(rough))) - 1)
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= rough)
    return list(range(0, most + 1, step))
