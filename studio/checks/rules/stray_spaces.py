"""Answers with white space around them."""

from collections.abc import Iterator
from typing import Any

from studio.checks.base import Check, Finding
from studio.checks.seen import Seen
from studio.checks.texts import with_texts


class StraySpaces(Check):
    """Only what is learned counts: the model never writes questions."""

    name = "stray_spaces"
    title = "White space around answers"
    severity = "note"
    explanation = (
        "These answers begin or end with spaces or empty lines. The model learns to write them too, which is seldom "
        "wanted and makes exact comparison with the expected answer fail."
    )
    advice = "Trim them."
    fixes = ("trim",)

    def look(self, seen: Seen) -> Iterator[Finding]:
        """Tell of the first such answer."""
        if "text" in seen.row:
            return
        for turn in seen.turns:
            if turn.role == "assistant" and _trimmed(turn.text) != turn.text:
                place = "after" if turn.text.rstrip() != turn.text else "before"
                yield Finding(seen.number, f"{turn.where} has white space {place} the answer")
                return

    def mended(self, row: dict[str, Any]) -> dict[str, Any]:
        """Trim every answer."""
        return (
            row
            if "text" in row
            else with_texts(row, lambda role, text: _trimmed(text) if role == "assistant" else text)
        )


def _trimmed(text: str) -> str:
    """The one space with which completions of older formats begin is meant; an empty turn is another check's."""
    stripped = text.strip()
    if not stripped:
        return text
    return f" {stripped}" if text.startswith(" ") and not text[1:2].isspace() else stripped
