"""Answers with white space around them."""

from collections.abc import Iterator

from studio.checks.base import Check, Finding
from studio.checks.seen import Seen


class StraySpaces(Check):
    """Only what is learned counts: a template strips questions, and the model never writes them."""

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
        """Tell of the last answer."""
        answer = seen.answer
        # The one space with which completions of older formats begin is meant.
        if "text" not in seen.row and answer.strip() and answer.removeprefix(" ") != answer.strip():
            yield Finding(
                seen.number,
                "the answer has white space " + ("after" if answer.rstrip() != answer else "before") + " it",
            )
