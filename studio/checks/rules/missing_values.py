"""Texts that a program wrote for a value that was not there."""

import re
from collections.abc import Iterator

from studio.checks.base import Check, Finding
from studio.checks.seen import Seen

# Not "na", "nil" or "nat": the code of Namibia, a score in sport and a name are answers too.
_WORDS = frozenset({"none", "nan", "null", "n/a", "undefined", "<na>", "#n/a", "[object object]"})
_TEMPLATE = re.compile(r"\{\{\s*\w[\w .]*\}\}|<(?:INSERT|YOUR|PLACEHOLDER)[A-Z_ ]*>|\bLorem ipsum\b")
# Where templates are what is talked about, their placeholders are meant.
_CODE = ("```", "{%", "</")


class MissingValues(Check):
    """Whole turns only: `none` inside a sentence is a word."""

    name = "missing_values"
    title = "Missing values written as text"
    severity = "warning"
    explanation = (
        "A program wrote words such as None, nan or null where a value was missing, or left a placeholder of a "
        "template unfilled. The model would learn to answer with them."
    )
    advice = "Drop these rows, or write what belongs there."
    fixes = ("drop", "edit")

    def look(self, seen: Seen) -> Iterator[Finding]:
        """Tell of the first one."""
        for turn in seen.turns:
            text = turn.text.strip()
            if len(text) < 20 and text.lower() in _WORDS:
                yield Finding(seen.number, f'{turn.where} is the word "{text}"')
                return
            if ("{{" in text or "<" in text or "Lorem" in text) and (found := _TEMPLATE.search(text)):
                if any(mark in text for mark in _CODE):
                    continue
                yield Finding(seen.number, f'{turn.where} holds the placeholder "{found.group()[:40]}"')
                return
