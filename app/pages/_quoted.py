"""What a person was told before launch, beside what the run really took."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.amounts import dollars, dollars_between, gib, time_between
from app.render import count, duration
from studio.budget.capping import Spent
from studio.runs import Run

_SLACK = 0.005


@dataclass(frozen=True, slots=True)
class Told:
    """One line; `verdict` is empty unless the run went to its last step, and where one of both is not known."""

    label: str
    told: str
    took: str
    verdict: str


def told_and_took(run: Run, spent: Spent) -> list[Told]:
    """Memory, time, money and steps; nothing for a run that was launched without an estimate."""
    found = (run.quote or {}).get("estimate")
    return list(_lines(run, found, spent)) if isinstance(found, Mapping) else []


def source_of(run: Run) -> str:
    """What the estimate was made from, as sentences."""
    quote = run.quote or {}
    said = ((quote.get("estimate") or {}).get("source", ""), quote.get("price_note", ""))
    return " ".join(f"{part[:1].upper()}{part[1:].rstrip('.')}." for part in said if part)


def _lines(run: Run, found: Mapping[str, Any], spent: Spent) -> Iterator[Told]:
    over = run.status == "succeeded" and run.kind == "training" and run.stopped_by is None
    if memory := found.get("memory_bytes"):
        peak = run.peak_memory_bytes
        verdict = (
            "" if not over or peak is None else "less" if peak <= memory else f"{100 * (peak / memory - 1):.0f} % more"
        )
        yield Told("Memory", f"{gib(memory)} GiB", f"{gib(peak)} GiB" if peak else "–", verdict)
    if seconds := found.get("seconds"):
        yield Told(
            "Time",
            time_between(seconds["low"], seconds["high"]),
            duration(spent.seconds or None),
            _within(seconds, spent.seconds, over),
        )
    if money := found.get("dollars"):
        yield Told(
            "Price",
            dollars_between(money["low"], money["high"]),
            dollars(spent.dollars),
            _within(money, spent.dollars, over),
        )
    yield Told("Steps", count(found.get("steps")), count(run.step), "")


def _within(told: Mapping[str, float], took: float | None, over: bool) -> str:
    """Whether it came to what was said."""
    if not over or not took:
        return ""
    if took > told["high"] * (1 + _SLACK):
        return f"{100 * (took / told['high'] - 1):.0f} % above the range"
    if took < told["low"] * (1 - _SLACK):
        return f"{100 * (1 - took / told['low']):.0f} % below the range"
    return "as told"
