"""Chat messages: which keys and roles they have, and what is wrong with one that cannot be trained on."""

from collections.abc import Callable
from typing import Any

from studio.formats.problems import RowProblem, kind_of, quoted

ROLES = ("system", "user", "assistant", "tool")
_ROLES_IN_WORDS = "use system, user, assistant or tool"
_OPTIONAL: dict[str, tuple[type, str]] = {
    "name": (str, "a string"),
    "tool_call_id": (str, "a string"),
    "tool_calls": (list, "a list of objects"),
}
KEPT_KEYS = frozenset({"role", "content", "weight", *_OPTIONAL})

Message = dict[str, Any]


def checked_messages(value: Any, where: str, unused: Callable[[str], None]) -> list[Message]:
    """Return clean messages; raises RowProblem. `unused` is told of keys that are left out."""
    if not isinstance(value, list):
        raise RowProblem(f"{where} is {kind_of(value)}; it must be a list of messages")
    if not value:
        raise RowProblem(f"{where} is empty")
    return [_checked_message(message, f"{where}[{index}]", unused) for index, message in enumerate(value)]


def require_answer(messages: list[Message], where: str) -> None:
    """Raise RowProblem unless an assistant says or calls something: there is nothing else to learn from."""
    answers = [message for message in messages if _answers(message)]
    if not answers:
        raise RowProblem(f"{where} has no assistant message with content, so there is nothing to learn from")
    if all(message.get("weight") == 0 for message in answers):
        raise RowProblem(f"{where} has weight 0 on every answer, so there is nothing to learn from")


def _answers(message: Message) -> bool:
    said = (message["content"] or "").strip()
    return message["role"] == "assistant" and bool(said or message.get("tool_calls"))


def _checked_message(message: Any, where: str, unused: Callable[[str], None]) -> Message:
    if not isinstance(message, dict):
        raise RowProblem(f"{where} is {kind_of(message)}; it must be an object with role and content")
    role = message.get("role")
    if len(message) == 2 and role in ROLES and isinstance(message.get("content"), str):
        return {"role": role, "content": message["content"]}
    if role not in ROLES:
        raise RowProblem(f"{where}.role is {_found(message, 'role')}; {_ROLES_IN_WORDS}")
    clean = {"role": role, "content": message.get("content")} | _optional_keys(message, where)
    _check_content(clean, message, where)
    if _weight(message, where) == 0 and role == "assistant":
        clean["weight"] = 0
    for key, left_out in message.items():
        if key not in KEPT_KEYS and left_out is not None:
            unused(f"messages[].{key}")
    return clean


def _optional_keys(message: Message, where: str) -> Message:
    """Keep the optional keys that are there; Parquet writes the absent ones as null."""
    kept: Message = {}
    for key, (kind, words) in _OPTIONAL.items():
        value = message.get(key)
        if value is None:
            continue
        if not isinstance(value, kind) or (key == "tool_calls" and not _all_objects(value)):
            raise RowProblem(f"{where}.{key} must be {words}, not {kind_of(value)}")
        kept[key] = value
    for index, call in enumerate(kept.get("tool_calls", ())):
        _check_arguments(call, f"{where}.tool_calls[{index}]")
    return kept


def _check_arguments(call: dict[str, Any], where: str) -> None:
    """Arguments are JSON text or an object; a template can write either, and nothing else."""
    function = call.get("function", call)
    if not isinstance(function, dict):
        raise RowProblem(f"{where}.function is {kind_of(function)}; it must be an object with name and arguments")
    arguments = function.get("arguments")
    if arguments is not None and not isinstance(arguments, str | dict):
        raise RowProblem(f"{where}.function.arguments is {kind_of(arguments)}; it must be JSON text or an object")


def _all_objects(value: Any) -> bool:
    return bool(value) and all(isinstance(call, dict) for call in value)


def _check_content(clean: Message, message: Message, where: str) -> None:
    content = clean["content"]
    if isinstance(content, str) or (content is None and "tool_calls" in clean):
        return
    raise RowProblem(f"{where}.content is {_found(message, 'content')}; it must be a string")


def _weight(message: Message, where: str) -> int:
    """Whether the turn is to be learned (1) or only read (0)."""
    weight = message.get("weight")
    if weight is None:
        return 1
    if isinstance(weight, bool) or weight not in (0, 1):
        raise RowProblem(f"{where}.weight is {quoted(weight)}; use 1 to learn from the turn, 0 to only read it")
    return int(weight)


def _found(message: Message, key: str) -> str:
    if key not in message:
        return "missing"
    value = message[key]
    return quoted(value) if isinstance(value, str) else kind_of(value)
