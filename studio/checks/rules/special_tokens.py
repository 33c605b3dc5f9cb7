"""Marks of chat templates inside texts."""

import re
from collections.abc import Iterator
from typing import Any

from studio.checks.base import Check, Finding
from studio.checks.seen import Seen
from studio.checks.texts import with_texts

# The marks that the families of the catalogue, and those before them, put between turns.
_MARKS = re.compile(
    r"<\|[A-Za-z][A-Za-z0-9_]{1,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|"
    r"<[｜|](?:User|Assistant|begin▁of▁sentence|end▁of▁sentence)[｜|]>|<(?:bos|eos|pad|unk)>"
)


class SpecialTokens(Check):
    """They are tokenised as plain text here, so they forge nothing; but they seldom belong there."""

    name = "special_tokens"
    title = "Marks of chat templates in the text"
    severity = "warning"
    explanation = (
        "These texts hold marks such as <|im_end|> that separate turns. They are read as plain characters here, so "
        "they cannot forge a turn; but mostly another program left them, and the model would learn to write them."
    )
    advice = "Remove the marks, or upload the conversation as turns."
    fixes = ("trim", "drop", "edit")

    def look(self, seen: Seen) -> Iterator[Finding]:
        """Tell of the first one."""
        for turn in seen.turns:
            if ("<" in turn.text or "[" in turn.text) and (found := _MARKS.search(turn.text)):
                yield Finding(seen.number, f"{turn.where} holds {found.group()}")
                return

    def mended(self, row: dict[str, Any]) -> dict[str, Any]:
        """Remove the marks, and the white space that was around one at an end."""
        return with_texts(row, lambda role, text: _without_marks(text) if role != "tool_calls" else text)


def _without_marks(text: str) -> str:
    if not _MARKS.search(text):
        return text
    return _MARKS.sub("", text).strip()
