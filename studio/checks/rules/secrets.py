"""Keys and passwords in the text."""

from collections.abc import Iterable
from typing import Any

from studio.checks.base import Check, Finding
from studio.checks.private import found_in, redacted_row
from studio.checks.secret_patterns import SECRETS
from studio.checks.seen import Seen


class Secrets(Check):
    """What is found is told by its kind and place, never by its value."""

    name = "secrets"
    title = "Secrets"
    severity = "warning"
    explanation = (
        "These rows hold what looks like a key, a token or a password. A model can repeat what it was trained on to "
        "anybody who asks, and nobody can take it out of the weights again."
    )
    advice = "Redact them, and withdraw every key that is real."
    fixes = ("redact", "drop")

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Tell what the row holds."""
        patterns = SECRETS.likely(seen.normal_text)
        return found_in(patterns, seen) if patterns else ()

    def mended(self, row: dict[str, Any]) -> dict[str, Any]:
        """Write [SECRET] in its place."""
        return redacted_row(SECRETS, row)
