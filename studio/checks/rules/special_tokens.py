"""Marks of chat templates inside texts."""

import re
from collections.abc import Iterator

from studio.checks.base import Check, Finding
from studio.checks.seen import Seen

# The marks that the families of the catalogue, and those before them, put between turns.
_MARKS = re.compile(
    r"<\|[a-z_]{2,30}\|>|<\|(?:im_start|im_end|endoftext)\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|"
    r"<[｜|](?:User|Assistant|begin▁of▁sentence|end▁of▁sentence)[｜|]>|<(?:bos|eos|pad|unk)>|<\|(?:begin|end)_of_text\|>"
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
