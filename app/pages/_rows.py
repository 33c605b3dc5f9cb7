"""Rows of a dataset as a person reads them: turns with a role and a text."""

import json
from dataclasses import dataclass, replace
from typing import Any

from studio.datasets import NumberedRow

_SHOWN_CHARACTERS = 6000
_SINGLE_ROLES = {"prompt": "user", "completion": "assistant", "text": "text"}
# Of a preference row: which of its two answers a turn belongs to matters more than who says it.
_ANSWERS = ("chosen", "rejected")


@dataclass(frozen=True, slots=True)
class Turn:
    """One message; `cut` counts the characters that are not shown."""

    role: str
    text: str
    cut: int = 0


@dataclass(frozen=True, slots=True)
class RowView:
    """A row with its number (from 1), its split, its turns, and itself as JSON."""

    number: int
    split: str
    turns: list[Turn]
    json: str

    @classmethod
    def of(cls, row: NumberedRow) -> "RowView":
        """The view of a canonical row."""
        text = json.dumps(row.row, indent=2, ensure_ascii=False)
        return cls(row.number, row.split, turns_of(row.row), text[: 4 * _SHOWN_CHARACTERS])


def turns_of(row: dict[str, Any]) -> list[Turn]:
    """The turns of any canonical shape, in order."""
    turns: list[Turn] = []
    for key, value in row.items():
        if isinstance(value, str) and (key in _SINGLE_ROLES or key in _ANSWERS):
            turns.append(_turn(_SINGLE_ROLES.get(key, key), value))
        elif isinstance(value, list):
            said = [_message(message) for message in value if isinstance(message, dict) and "role" in message]
            turns += [replace(turn, role=key) for turn in said] if key in _ANSWERS else said
    return turns


def _message(message: dict[str, Any]) -> Turn:
    content = message.get("content") or ""
    calls = message.get("tool_calls")
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return _turn(str(message["role"]), f"{text}\n{json.dumps(calls, ensure_ascii=False)}".strip() if calls else text)


def _turn(role: str, text: str) -> Turn:
    return Turn(role, text[:_SHOWN_CHARACTERS], max(0, len(text) - _SHOWN_CHARACTERS))
