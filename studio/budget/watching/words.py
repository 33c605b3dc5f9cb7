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


def say(kind: str, facts: Facts, changes: Sequence[str] = ()) -> Told | None:
    """Say it; `changes` are settings to run again with, such as "dropout 0.1". None for a kind of another version."""
    found = KINDS.get(kind)
    if found is None:
        return None
    try:
        cause, step = found.cause(facts), found.next_step(facts)
    except KeyError:
        # Facts of another version: what is missing cannot be said.
        return None
    again = f", or run again with {_either(changes)}" if changes else ""
    return Told(kind, found.title, found.severity, cause, f"{step}{again}.")


def _either(changes: Sequence[str]) -> str:
    *others, last = changes
    return f"{', '.join(others)} or {last}" if others else last
