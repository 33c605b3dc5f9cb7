"""Personal data in the text."""

from collections.abc import Iterable
from typing import Any

from studio.checks.base import Check, Finding
from studio.checks.personal_patterns import ADDRESSES, DIGIT_RUN, PERSONAL
from studio.checks.private import found_in, redacted_row
from studio.checks.seen import Seen


class PersonalData(Check):
    """Numbers and addresses that have a form of their own; names of people have none and are not looked for."""

    name = "personal_data"
    title = "Personal data"
    severity = "warning"
    explanation = (
        "These rows hold what looks like an e-mail address, a phone, bank, card or social security number, or an IP "
        "address. A model can repeat it to anybody, and most laws ask for a reason to use it."
    )
    advice = "Redact it unless the model has to know it."
    fixes = ("redact", "drop")

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Tell what the row holds."""
        has_numbers = DIGIT_RUN.search(seen.normal_text)
        patterns = (PERSONAL if has_numbers else ADDRESSES).likely(seen.normal_text)
        return found_in(patterns, seen) if patterns else ()

    def mended(self, row: dict[str, Any]) -> dict[str, Any]:
        """Write a placeholder such as [EMAIL] in its place."""
        return redacted_row(PERSONAL, row)
