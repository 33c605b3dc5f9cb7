"""A row as the checks see it: its turns, what is asked and what is answered, each worked out once."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import orjson
import xxhash

SPLITS = ("train", "validation", "test")
_SPACES = re.compile(r"\s+")
_NOT_TEXTS = frozenset({"tools", "fields"})


class Turn(NamedTuple):
    """One text of a row: where it stands (such as `messages[2].content`), who says it, and what.

    `calls` are the tools that an assistant calls, as JSON. The turns of a refused answer have the role "rejected".
    """

    where: str
    role: str
    text: str
    calls: str = ""

    @property
    def said(self) -> str:
        """The text and the calls: what makes one turn differ from another."""
        return f"{self.text}\n{self.calls}" if self.calls else self.text


class Seen:
    """One row on its way past all checks; `number` counts from 1, `start` is its first byte in the file of rows."""

    def __init__(self, number: int, split_code: int, row: dict[str, Any], start: int = 0) -> None:
        self.number = number
        self.split_code = split_code
        self.row = row
        self.start = start

    @property
    def split(self) -> str:
        """The split that it belongs to."""
        return SPLITS[self.split_code]

    @cached_property
    def turns(self) -> list[Turn]:
        """All its texts, in order."""
        return list(_turns(self.row))

    @cached_property
    def has_answer(self) -> bool:
        """Whether somebody answers, other than in plain text."""
        return "text" not in self.row and self._last_answer is not None

    @cached_property
    def _last_answer(self) -> int | None:
        places = range(len(self.turns) - 1, -1, -1)
        return next((place for place in places if self.turns[place].role == "assistant"), None)

    @cached_property
    def answer(self) -> str:
        """What is learned last: the last assistant turn, the completion, the chosen answer, or the text."""
        last = self._last_answer
        return self.turns[last].said if last is not None else self.turns[-1].said if self.turns else ""

    @cached_property
    def question(self) -> str:
        """Everything before the last answer, with its roles; empty for plain text."""
        if "text" in self.row:
            return ""
        return "\n".join(f"{turn.role}: {turn.said}" for turn in self.turns[: self._last_answer])

    @cached_property
    def rejected(self) -> str:
        """The answer that a preference row refuses."""
        return "\n".join(turn.said for turn in self.turns if turn.role == "rejected")

    @cached_property
    def normal_question(self) -> str:
        """The question without what does not change its meaning."""
        return normalised(self.question)

    @cached_property
    def normal_answer(self) -> str:
        """The answer without what does not change its meaning."""
        return normalised(self.answer)

    @cached_property
    def normal_text(self) -> str:
        """The whole row, normalised."""
        texts = [self.normal_question, self.normal_answer]
        return "\n".join([*texts, normalised(self.rejected)] if "rejected" in self.row else texts)

    @cached_property
    def question_hash(self) -> int:
        """XXH3-64 of the normalised question."""
        return hashed(self.normal_question)

    @cached_property
    def answer_hash(self) -> int:
        """XXH3-64 of the normalised answer."""
        return hashed(self.normal_answer)

    @cached_property
    def text_hash(self) -> int:
        """XXH3-64 of the whole row, normalised."""
        return hashed(self.normal_text)


def hashed(text: str) -> int:
    """XXH3-64; halves of surrogate pairs, which an import refuses, would not end a check."""
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def normalised(text: str) -> str:
    """Case folded, compatibility forms unified (NFKC), runs of white space made one space."""
    if text.isascii():
        return " ".join(text.lower().split())
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def _turns(row: dict[str, Any]) -> Iterator[Turn]:
    for key, value in row.items():
        if key in _NOT_TEXTS:
            continue
        if isinstance(value, str):
            yield Turn(key, _role(key), value)
        elif isinstance(value, list):
            yield from _messages(key, value)


def _messages(key: str, messages: list[dict[str, Any]]) -> Iterator[Turn]:
    for index, message in enumerate(messages):
        calls = message.get("tool_calls")
        role = "rejected" if key == "rejected" else message["role"]
        said = message.get("content") or ""
        yield Turn(f"{key}[{index}].content", role, said, orjson.dumps(calls).decode() if calls else "")


def _role(key: str) -> str:
    return {"prompt": "user", "rejected": "rejected"}.get(key, "assistant")
