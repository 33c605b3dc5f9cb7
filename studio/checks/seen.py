"""A row as the checks see it: its turns, what is asked and what is answered, each worked out once."""

import re
import unicodedata
from typing import Any, NamedTuple

import orjson
import xxhash

from studio.checks.once import once

SPLITS = ("train", "validation", "test")
_SPACES = re.compile(r"\s+")
_ROLES = {"prompt": "user", "rejected": "rejected"}


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

    @once
    def turns(self) -> list[Turn]:
        """All its texts, in order."""
        found: list[Turn] = []
        for key, value in self.row.items():
            if isinstance(value, str):
                found.append(Turn(key, _ROLES.get(key, "assistant"), value))
            elif isinstance(value, list) and key != "tools":
                found += [_turn(key, index, message) for index, message in enumerate(value)]
        return found

    @once
    def has_answer(self) -> bool:
        """Whether somebody answers, other than in plain text."""
        return "text" not in self.row and self._last_answer is not None

    @once
    def _last_answer(self) -> int | None:
        places = range(len(self.turns) - 1, -1, -1)
        return next((place for place in places if self.turns[place].role == "assistant"), None)

    @once
    def answer(self) -> str:
        """What is learned last: the last assistant turn, the completion, the chosen answer, or the text."""
        last = self._last_answer
        return self.turns[last].said if last is not None else self.turns[-1].said if self.turns else ""

    @once
    def question(self) -> str:
        """Everything before the last answer, with its roles; empty for plain text."""
        if "text" in self.row:
            return ""
        return "\n".join(f"{turn.role}: {turn.said}" for turn in self.turns[: self._last_answer])

    @once
    def rejected(self) -> str:
        """The answer that a preference row refuses."""
        return "\n".join(turn.said for turn in self.turns if turn.role == "rejected")

    @once
    def normal_question(self) -> str:
        """The question without what does not change its meaning."""
        return normalised(self.question)

    @once
    def normal_answer(self) -> str:
        """The answer without what does not change its meaning."""
        return normalised(self.answer)

    @once
    def normal_text(self) -> str:
        """The whole row, normalised."""
        texts = [self.normal_question, self.normal_answer]
        return "\n".join([*texts, normalised(self.rejected)] if "rejected" in self.row else texts)

    @once
    def question_hash(self) -> int:
        """XXH3-64 of the normalised question."""
        return hashed(self.normal_question)

    @once
    def answer_hash(self) -> int:
        """XXH3-64 of the normalised answer."""
        return hashed(self.normal_answer)

    @once
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


def _turn(key: str, index: int, message: dict[str, Any]) -> Turn:
    calls = message.get("tool_calls")
    role = "rejected" if key == "rejected" else message["role"]
    where = f"{key}[{index}].content"
    return Turn(where, role, message.get("content") or "", orjson.dumps(calls).decode() if calls else "")
