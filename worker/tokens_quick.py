"""Finds the answers of a conversation with one rendering instead of several, where that is proven to be the same.

`Chat.render_row` renders every beginning of a conversation, which takes most of the time of preparing one. The texts
around the answers are the same in all conversations of one shape (the same roles, keys, and texts that the template
asks for), so they are learned from the first rows of each shape, rendered the slow way. Whatever does not fit what was
learned is rendered the slow way too, and now and then a row is rendered both ways.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.chat import Chat, Message, Rendered, Span, answer_turns

# A shape is trusted once so many rows in a row came out the same both ways, and looked at again every so often.
TRUSTED_AFTER = 3
CHECKED_EVERY = 256
_MOST_SHAPES = 2000
_LONGEST_LEAD = 96
_BLOCK = re.compile(r"\{[{%].*?[}%]\}", re.DOTALL)
_TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")

Shape = tuple[Any, ...]


class Unsure(Exception):
    """A trusted shape came out otherwise the slow way: nothing that was found quickly can be relied on."""


@dataclass(slots=True)
class _Place:
    """Where one answer is: after the `ordinal`-th `lead` of the text, `before` and `after` around its content."""

    turn: int
    lead: str
    ordinal: int
    leads: int
    before: str
    after: str


@dataclass(slots=True)
class _Known:
    """What is known of a shape; `agreed` counts the rows in a row that came out the same both ways."""

    places: list[_Place] = field(default_factory=list)
    only_last: bool = False
    agreed: int = 0
    seen: int = 0


class QuickChat:
    """Renders rows as `chat` does, and mostly quicker."""

    def __init__(self, chat: Chat, template: str) -> None:
        self._chat = chat
        self._asked_for = _texts_asked_for(template)
        self._known: dict[Shape, _Known] = {}

    def render_row(
        self, number: int, messages: list[Message], tools: Any, first_answer: int, **needs: bool
    ) -> Rendered:
        """As `Chat.render_row`; raises Unsure when it must not be relied on."""
        turns = answer_turns(messages, first_answer)
        if not turns or not all(_is_plain(messages[turn].get("content")) for turn in turns):
            return self._chat.render_row(number, messages, tools, first_answer, **needs)
        known = self._shape(messages, tools, first_answer)
        quick = self._quick(known, number, messages, tools) if known.places else None
        known.seen += 1
        is_trusted = known.agreed >= TRUSTED_AFTER
        if quick is not None and is_trusted and known.seen % CHECKED_EVERY:
            return quick
        slow = self._chat.render_row(number, messages, tools, first_answer, **needs)
        if quick == slow:
            known.agreed += 1
        elif quick is not None and is_trusted:
            raise Unsure
        else:
            _learn(known, _learned(messages, turns, slow), slow, is_trusted=is_trusted)
        return slow

    def _shape(self, messages: Sequence[Message], tools: Any, first_answer: int) -> _Known:
        parts = tuple(
            (message["role"], *message, message.get("weight"), *self._asked(message.get("content")))
            for message in messages
        )
        shape = (tools is not None, first_answer, parts)
        if shape not in self._known and len(self._known) >= _MOST_SHAPES:
            return _Known()
        return self._known.setdefault(shape, _Known())

    def _asked(self, content: Any) -> list[Any]:
        """Which of the texts that the template asks for are in a content, and of what kind that is."""
        if not isinstance(content, str):
            return [type(content)]
        return [text for text in self._asked_for if text in content]

    def _quick(self, known: _Known, number: int, messages: list[Message], tools: Any) -> Rendered | None:
        messages, tools, literals = self._chat.shielded(messages, tools)
        text = self._chat.rendered_directly(messages, tools)
        if text is None:
            return None
        answers: list[Span] = []
        for place in known.places:
            span = _find(place, text, messages[place.turn]["content"])
            if span is None:
                return None
            answers.append(span)
        found = Rendered(number, text, tuple(answers), literals, known.only_last)
        return found if self._chat.finished(found) is found else None


def _find(place: _Place, text: str, content: str) -> Span | None:
    if text.count(place.lead) != place.leads:
        return None
    start = 0
    for _ in range(place.ordinal):
        start = text.index(place.lead, start) + len(place.lead)
    wanted = place.before + content + place.after
    return (start, start + len(wanted)) if text.startswith(wanted, start) else None


def _learned(messages: Sequence[Message], turns: Sequence[int], slow: Rendered) -> list[_Place]:
    """What stands around the answers of a row rendered the slow way; nothing where a content is not as it was."""
    answered = turns[-1:] if slow.only_last else turns
    places: list[_Place] = []
    if slow.literals or len(answered) != len(slow.answers):
        return []
    for turn, (start, end) in zip(answered, slow.answers, strict=True):
        before, content, after = slow.text[start:end].partition(messages[turn]["content"])
        if not content:
            return []
        places.append(_Place(turn, slow.text[max(0, start - _LONGEST_LEAD) : start], 0, 0, before, after))
    return places


def _learn(known: _Known, places: list[_Place], slow: Rendered, *, is_trusted: bool) -> None:
    """Keep of the leads what all rows share; an odd row does not change what is said of a trusted shape."""
    same = known.only_last == slow.only_last and [_around(one) for one in known.places] == [
        _around(one) for one in places
    ]
    if not places or (is_trusted and not same):
        return
    leads = [place.lead for place in known.places] if same else []
    known.places, known.only_last, known.agreed = [], slow.only_last, 0
    for place, known_lead, (start, _) in zip(
        places, leads or [place.lead for place in places], slow.answers, strict=True
    ):
        place.lead = _common_end(known_lead, place.lead)
        place.leads = slow.text.count(place.lead) if place.lead else 0
        place.ordinal = _ordinal(slow.text, place.lead, start) if place.lead else 0
        if place.ordinal == 0:
            return
    known.places = places


def _around(place: _Place) -> tuple[int, str, str]:
    return place.turn, place.before, place.after


def _ordinal(text: str, lead: str, start: int) -> int:
    """Which of the leads ends at `start`, from 1; 0 when none does."""
    end = count = 0
    while end < start:
        found = text.find(lead, end)
        if found < 0:
            return 0
        end, count = found + len(lead), count + 1
    return count if end == start else 0


def _common_end(one: str, other: str) -> str:
    length = 0
    while length < min(len(one), len(other)) and one[-1 - length] == other[-1 - length]:
        length += 1
    return one[len(one) - length :]


def _is_plain(content: Any) -> bool:
    return isinstance(content, str) and bool(content) and content == content.strip()


def _texts_asked_for(template: str) -> tuple[str, ...]:
    """Marks such as `</think>` that the template may look for in a content; words alone and spaces are not marks."""
    found = {one or other for block in _BLOCK.findall(template) for one, other in _TEXT.findall(block)}
    texts = {text.encode("latin-1", "backslashreplace").decode("unicode_escape") for text in found if "\\" in text}
    texts |= {text for text in found if "\\" not in text}
    return tuple(sorted(text for text in texts if 1 < len(text) <= 64 and not text.replace(" ", "").isalnum()))
