"""An alert in words: what is seen, what it means, and what to do, the last with the settings that are offered."""

from collections.abc import Sequence
from dataclasses import dataclass

from studio.budget.watching.base import Facts, Severity
from studio.budget.watching.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Told:
    """What a page says of an alert."""

    kind: str
    title: str
    severity: Severity
    cause: str
    next_step: str


def say(kind: str, facts: Facts, changes: Sequence[str] = (), *, is_over: bool = False) -> Told | None:
    """Say it; `changes` are settings to run again with, such as "dropout 0.1". None for a kind of another version."""
    found = KINDS.get(kind)
    if found is None:
        return None
    try:
        cause = found.past_cause(facts) if is_over else found.cause(facts)
        stop, advice = found.stop(facts), found.advice(facts)
    except KeyError:
        # Facts of another version: what is missing cannot be said.
        return None
    next_step = " ".join(filter(None, [_step(stop, changes, is_over), advice]))
    return Told(kind, found.title_of(is_over=is_over), found.severity, cause, next_step)


def _step(stop: str, changes: Sequence[str], is_over: bool) -> str:
    if not changes:
        return "" if is_over else f"{stop}."
    again = f"un again with {_either(changes)}."
    return f"R{again}" if is_over else f"{stop}, or r{again}"


def _either(changes: Sequence[str]) -> str:
    *others, last = changes
    return f"{', '.join(others)} or {last}" if others else last
