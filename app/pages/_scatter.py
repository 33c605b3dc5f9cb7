"""Quality against money as the server draws it: one point for each rung that finished, in pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.amounts import dollars
from app.render import duration, loss
from studio.ladders import SeenRung, Sight

WIDTH, HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 700, 34, 240
_TICKS = 4
_CENT = 0.01
# Names further right than this stand left of their point.
_TURN = 0.62


@dataclass(frozen=True, slots=True)
class Dot:
    """One rung; its name stands right of it, or left (`anchor` end), by turns above and below."""

    x: float
    y: float
    label: str
    text_x: float
    text_y: float
    anchor: str
    is_kept: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """A value on an axis in words, and where it is."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Scatter:
    """Everything that the template draws; `path` joins the rungs in their order."""

    dots: Sequence[Dot]
    path: str
    across: Sequence[Tick]
    upwards: Sequence[Tick]
    axis: str
    words: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    top: int = _TOP
    bottom: int = _BOTTOM


def draw_scatter(sight: Sight) -> Scatter | None:
    """Draw the rungs that have a result; None with fewer than two, which a table says as well."""
    found = [rung for rung in sight.rungs if rung.standing.has_result]
    if len(found) < 2:
        return None
    is_priced = sight.is_priced
    costs = [(rung.standing.dollars or 0.0) if is_priced else rung.standing.seconds for rung in found]
    losses = [rung.standing.loss or 0.0 for rung in found]
    most = 1.12 * max(costs) or 1.0
    low, high = _padded(min(losses), max(losses))
    across = [round(_LEFT + cost / most * (_RIGHT - _LEFT), 1) for cost in costs]
    upwards = [round(_BOTTOM - (one - low) / (high - low) * (_BOTTOM - _TOP), 1) for one in losses]
    return Scatter(
        dots=[_dot(rung, x, y, place) for place, (rung, x, y) in enumerate(zip(found, across, upwards, strict=True))],
        path=" ".join(f"{x},{y}" for x, y in zip(across, upwards, strict=True)),
        across=[
            Tick(round(_LEFT + value / most * (_RIGHT - _LEFT), 1), words)
            for value, words in _costs(_steps(0, most), is_priced)
        ],
        upwards=[
            Tick(round(_BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP), 1), f"{value:g}")
            for value in _steps(low, high)
        ],
        axis="Dollars spent on the rung" if is_priced else "Time on the hardware",
        words="; ".join(
            f"{rung.standing.label}: loss {loss(rung.standing.loss)} for "
            f"{dollars(rung.standing.dollars) if is_priced else duration(rung.standing.seconds)}"
            for rung in found
        ),
    )


def _dot(rung: SeenRung, x: float, y: float, place: int) -> Dot:
    is_far = x > _LEFT + _TURN * (_RIGHT - _LEFT)
    beside = -12 if is_far else 12
    # Neighbours that are as good as each other would else write over each other on a narrow screen.
    above = -12 if place % 2 == 0 else 26
    return Dot(x, y, rung.standing.label, x + beside, y + above, "end" if is_far else "start", rung.is_kept)


def _costs(values: Sequence[float], is_priced: bool) -> list[tuple[float, str]]:
    """Each value in words; ticks closer than a cent need a third decimal place, or two of them would read the same."""
    if not is_priced:
        return [(value, duration(value)) for value in values]
    is_fine = len(values) > 1 and values[1] - values[0] < _CENT
    return [(value, f"${value:.3f}" if is_fine else dollars(value)) for value in values]


def _padded(low: float, high: float) -> tuple[float, float]:
    """A range with air around it, also where all values are one."""
    air = 0.15 * (high - low) or 0.05 * abs(high) or 1.0
    return low - air, high + air


def _steps(low: float, high: float) -> list[float]:
    """Round values within a range, some four of them."""
    rough = (high - low) / _TICKS
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= rough)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]
