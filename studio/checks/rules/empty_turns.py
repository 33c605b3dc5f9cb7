"""Turns that say nothing."""

from collections.abc import Iterator

from studio.checks.base import Check, Finding
from studio.checks.seen import Seen


class EmptyTurns(Check):
    """White space counts as nothing; a turn that only calls tools says something."""

    name = "empty_turns"
    title = "Empty turns"
    severity = "warning"
    explanation = (
        "Somebody says nothing in these rows. An empty answer teaches the model to answer with silence, and an empty "
        "question teaches it to answer without having been asked."
    )
    advice = "Drop these rows, or fill in what is missing."
    fixes = ("drop", "edit")

    def look(self, seen: Seen) -> Iterator[Finding]:
        """Tell of the first empty turn."""
        for turn in seen.turns:
            if not turn.text.strip() and not turn.calls:
                yield Finding(seen.number, f"{turn.where} ({turn.role}) is empty")
                return
