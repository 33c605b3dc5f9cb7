"""Answers that refuse, or say little."""

import re
from collections.abc import Iterator

from studio.checks.base import Check, Finding
from studio.checks.seen import Seen

_LOOKED_AT = 300
_BEGINS = re.compile(
    r"\W*(?:i(?:'?m| am) sorry,? but|sorry,? (?:but )?i (?:can'?t|cannot)|(?:i|my) apologi(?:[sz]e|es),? but i|"
    r"i(?: can'?t| cannot| am unable to|'m unable to| am not able to|'m not able to| won'?t) "
    r"(?:help|assist|provide|answer|fulfil|comply|do that|generate|create|write)|"
    r"as an? (?:ai|artificial intelligence|(?:large )?language model)(?: (?:language )?model| assistant)?,? i\b)"
)
_HOLDS = re.compile(
    r"\bas an ai (?:language )?model\b|\bi(?: do not|'?m not able to| don'?t) have (?:personal (?:opinions|feelings)|"
    r"access to real-time)\b"
)
# Searching for plain strings is ten times faster, and hardly any answer has one.
_MARKS_OF_HOLDS = ("as an ai", "have personal", "real-time")
_LOW_VALUE = frozenset(
    {
        "i don't know",
        "i do not know",
        "idk",
        "not sure",
        "i'm not sure",
        "no answer",
        "no idea",
        "todo",
        "tbd",
        "test",
        "asdf",
        "see above",
        "same as above",
        "no comment",
        "?",
        "-",
        "...",
        "…",
    }
)


class Refusals(Check):
    """English phrases at the start of an answer, and stock phrases of assistants in its first 300 characters."""

    name = "refusals"
    title = "Refusals and empty phrases"
    severity = "warning"
    explanation = (
        "These answers refuse, or say no more than that there is no answer. A few of them are enough to teach a small "
        "model to refuse what it could do."
    )
    advice = "Drop these rows unless refusing is what the model shall learn."
    fixes = ("drop", "edit")

    def look(self, seen: Seen) -> Iterator[Finding]:
        """Tell of the last answer."""
        if not seen.has_answer:
            return
        answer = seen.normal_answer[:_LOOKED_AT].replace("’", "'")
        if answer.strip(" .!") in _LOW_VALUE or answer in _LOW_VALUE:
            yield Finding(seen.number, f'the answer is "{seen.answer.strip()[:40]}"')
        elif found := _refusal_in(answer):
            yield Finding(seen.number, f'the answer says "{found.group().strip()[:60]}"')


def _refusal_in(answer: str) -> re.Match[str] | None:
    if found := _BEGINS.match(answer):
        return found
    return _HOLDS.search(answer) if any(mark in answer for mark in _MARKS_OF_HOLDS) else None
