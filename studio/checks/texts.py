"""Changing the texts of a row, wherever they stand."""

from collections.abc import Callable
from typing import Any

# Given the role of the turn and its text.
Change = Callable[[str, str], str]
_NOT_TEXTS = frozenset({"tools", "fields"})
_ROLES = {"prompt": "user"}


def with_texts(row: dict[str, Any], change: Change) -> dict[str, Any]:
    """The row with each text changed, those of tool calls too; the same object if nothing changes."""
    changed = {key: value if key in _NOT_TEXTS else _changed(key, value, change) for key, value in row.items()}
    return row if changed == row else changed


def _changed(key: str, value: Any, change: Change) -> Any:
    if isinstance(value, str):
        return change(_ROLES.get(key, "assistant"), value)
    return [_changed_message(message, change) for message in value] if isinstance(value, list) else value


def _changed_message(message: dict[str, Any], change: Change) -> dict[str, Any]:
    role, said, calls = message["role"], message.get("content"), message.get("tool_calls")
    changes: dict[str, Any] = {"content": change(role, said)} if said else {}
    if calls:
        changes["tool_calls"] = _walked(calls, lambda text: change("tool_calls", text))
    return message | changes


def _walked(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_walked(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _walked(item, change) for key, item in value.items()}
    return value
