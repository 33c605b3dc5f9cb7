"""What a rung gained for the money or the time it took, in a unit that keeps the figures readable."""

from dataclasses import dataclass

from studio.ladders import SeenRung, Sight

_MINUTE, _HOUR = 60.0, 3600.0
# Rungs that took less than this share of a dollar or an hour are told by the cent and the minute.
_SMALL = 0.1


@dataclass(frozen=True, slots=True)
class WorthColumn:
    """The heading, and a figure for each rung in their order."""

    heading: str
    figures: tuple[str, ...]


def worth_column(sight: Sight) -> WorthColumn:
    """Gain by dollars where all rungs that finished have them, else by time."""
    rungs = [rung for rung in sight.rungs if rung.standing.has_result]
    if sight.is_priced:
        is_small = max((rung.standing.dollars or 0.0 for rung in rungs), default=1.0) < _SMALL
        unit, share = ("$0.01", 0.01) if is_small else ("$1", 1.0)
    else:
        is_small = max((rung.standing.seconds for rung in rungs), default=_HOUR) < _SMALL * _HOUR
        unit, share = ("minute", _MINUTE / _HOUR) if is_small else ("hour", 1.0)
    return WorthColumn(f"Gain per {unit}", tuple(_figure(rung, sight.is_priced, share) for rung in sight.rungs))


def _figure(rung: SeenRung, is_priced: bool, share: float) -> str:
    worth = rung.worth.per_dollar if is_priced else rung.worth.per_hour
    if worth is None:
        return "–"
    percent = 100 * worth * share
    if abs(percent) >= 9.95:
        return f"{percent:,.0f} %"
    return f"{percent:.1f} %" if abs(percent) >= 0.95 else f"{percent:.2f} %"
