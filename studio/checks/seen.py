"""A row as the checks see it: its turns, what is asked and what is answered, each worked out once."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import xxhash

_SPACES = re.compile(r"\s+")
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Turn:
    """One text of a row: where it stands (such as `messages[2].content`), who says it, and what."""

    where: str
    role: str
    text: str
    calls_tools: bool = False


class Seen:
    """One row on its way past all checks; `number` counts from 1."""

    def __init__(self, number: int, split_code: int, row: dict[str, Any]) -> None:
        self.number = number
        self.split_code = split_code
        self.row = row

    @property
    def split(self) -> str:
        """The split that it belongs to."""
        return _SPLITS[self.split_code]

    @cached_property
    def turns(self) -> list[Turn]:
        """All its texts, in order."""
        return list(_turns(self.row))

    @cached_property
    def answer(self) -> str:
        """What is learned last: the last assistant turn, the completion, the chosen answer, or the text."""
        answers = [turn.text for turn in self.turns if turn.role == "assistant"]
        return answers[-1] if answers else self.turns[-1].text if self.turns else ""

    @cached_property
    def question(self) -> str:
        """Everything before the last answer, with its roles; empty for plain text."""
        if "text" in self.row:
            return ""
        last = max((index for index, turn in enumerate(self.turns) if turn.role == "assistant"), default=None)
        before = self.turns if last is None else self.turns[:last]
        return "\n".join(f"{turn.role}: {turn.text}" for turn in before)

    @cached_property
    def normal_question(self) -> str:
        """The question without what does not change its meaning."""
        return normalised(self.question)

    @cached_property
    def normal_answer(self) -> str:
        """The answer without what does not change its meaning."""
        return normalised(self.answer)

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
        return hashed(f"{self.normal_question}\n{self.normal_answer}")


def hashed(text: str) -> int:
    """XXH3-64; halves of surrogate pairs, which an import refuses, would not end a check."""
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def normalised(text: str) -> str:
    """Case folded, compatibility forms unified (NFKC), runs of white space made one space."""
    if text.isascii():
        return " ".join(text.lower().split())
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def _turns(row: dict[str, Any]) -> Any:
    for key, value in row.items():
        if key in {"tools", "fields"}:
            continue
        if isinstance(value, str):
            yield Turn(key, _role(key), value)
        elif isinstance(value, list):
            for index, message in enumerate(value):
                if isinstance(message, dict) and "role" in message:
                    where, calls = f"{key}[{index}].content", bool(message.get("tool_calls"))
                    yield Turn(where, message["role"], message.get("content") or "", calls)


def _role(key: str) -> str:
    return "user" if key == "prompt" else "assistant"
