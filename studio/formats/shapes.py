"""The shapes of rows that are recognised by their keys, and how each becomes a canonical row."""

from collections.abc import Callable, Collection
from typing import Any

from studio.formats.messages import Message, checked_messages, require_answer
from studio.formats.problems import RowProblem, kind_of, quoted

Row = dict[str, Any]
Unused = Callable[[str], None]
ReadJson = Callable[[str], Any]

_SPEAKERS = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function_response": "tool",
    "observation": "tool",
}
# A text next to one of these is half of a pair; training on it alone would be a silent mistake.
_PARTNERS_OF_TEXT = frozenset(
    {
        "label",
        "labels",
        "category",
        "class",
        "target",
        "answer",
        "output",
        "summary",
        "completion",
        "response",
    }
)
SHAPE_KEYS: dict[str, frozenset[str]] = {
    "messages": frozenset({"messages", "tools"}),
    "sharegpt": frozenset({"conversations", "system", "tools"}),
    "prompt_completion": frozenset({"prompt", "completion", "tools"}),
    "alpaca": frozenset({"instruction", "input", "output", "system", "history"}),
    "text": frozenset({"text"}),
}


def recognise(names: Collection[str]) -> str | None:
    """Name the shape that these keys make, or None."""
    if "messages" in names:
        return "messages"
    if "conversations" in names:
        return "sharegpt"
    if "prompt" in names and "completion" in names:
        return "prompt_completion"
    if "instruction" in names and "output" in names:
        return "alpaca"
    if "text" in names and _PARTNERS_OF_TEXT.isdisjoint(names):
        return "text"
    return None


def canonical_row(shape: str, row: Row, *, unused: Unused, read_json: ReadJson) -> Row:
    """Turn a row of a recognised shape into a canonical one; raises RowProblem."""
    return _CONVERTERS[shape](row, unused, read_json)


def canonical_kind(row: Row) -> str:
    """Say which canonical form a row has, and whether its prompt is text or messages."""
    if "messages" in row:
        return "messages"
    if "text" in row:
        return "text"
    return "prompt_completion" if isinstance(row["prompt"], str) else "prompt_completion of messages"


def required_string(row: Row, key: str) -> str:
    """A string that says something; raises RowProblem."""
    value = row.get(key)
    if key not in row or value is None:
        raise RowProblem(f"{key} is missing")
    if not isinstance(value, str):
        raise RowProblem(f"{key} is {kind_of(value)}; it must be a string")
    if not value.strip():
        raise RowProblem(f"{key} is empty")
    return value


def optional_string(row: Row, key: str) -> str:
    """A string, or an empty one if it is absent or null; raises RowProblem."""
    value = row.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RowProblem(f"{key} is {kind_of(value)}; it must be a string")
    return value if value.strip() else ""


def messages_row(row: Row, unused: Unused, read_json: ReadJson) -> Row:
    """Check a row of chat messages; a cell of CSV or Parquet may hold them as JSON text."""
    messages = checked_messages(_parsed(row.get("messages"), read_json), "messages", unused)
    require_answer(messages, "messages")
    return {"messages": messages} | _tools(row, read_json)


def prompt_completion_row(row: Row, unused: Unused, read_json: ReadJson) -> Row:
    """Check a pair of strings or of message lists."""
    if isinstance(row.get("prompt"), list) and isinstance(row.get("completion"), list):
        return _prompt_completion_messages(row, unused, read_json)
    if isinstance(row.get("prompt"), list) or isinstance(row.get("completion"), list):
        raise RowProblem("prompt and completion must both be strings or both be lists of messages")
    return {"prompt": required_string(row, "prompt"), "completion": required_string(row, "completion")}


def text_row(row: Row, unused: Unused, read_json: ReadJson) -> Row:
    """Check a row of plain text."""
    return {"text": required_string(row, "text")}


def conversation(system: str, user: str, assistant: str, history: list[Message] | None = None) -> Row:
    """Make a messages row of one exchange."""
    first = [{"role": "system", "content": system}] if system else []
    last = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    return {"messages": first + (history or []) + last}


def _prompt_completion_messages(row: Row, unused: Unused, read_json: ReadJson) -> Row:
    prompt = checked_messages(row["prompt"], "prompt", unused)
    completion = checked_messages(row["completion"], "completion", unused)
    require_answer(completion, "completion")
    return {"prompt": prompt, "completion": completion} | _tools(row, read_json)


def _alpaca_row(row: Row, unused: Unused, read_json: ReadJson) -> Row:
    question = required_string(row, "instruction")
    if more := optional_string(row, "input"):
        question = f"{question}\n\n{more}"
    answer = required_string(row, "output")
    history = _alpaca_history(_parsed(row.get("history"), read_json) or [])
    return conversation(optional_string(row, "system"), question, answer, history)


def _alpaca_history(history: Any) -> list[Message]:
    if not isinstance(history, list):
        raise RowProblem(f"history is {kind_of(history)}; it must be a list")
    messages: list[Message] = []
    for index, pair in enumerate(history):
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(said, str) for said in pair)):
            raise RowProblem(f"history[{index}] must be a list of two strings: question and answer")
        messages += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    return messages


def _sharegpt_row(row: Row, unused: Unused, read_json: ReadJson) -> Row:
    turns = _parsed(row.get("conversations"), read_json)
    if not isinstance(turns, list):
        raise RowProblem(f"conversations is {kind_of(turns)}; it must be a list of turns")
    messages = [_sharegpt_turn(turn, f"conversations[{index}]") for index, turn in enumerate(turns)]
    if system := optional_string(row, "system"):
        messages.insert(0, {"role": "system", "content": system})
    messages = checked_messages(messages, "conversations", unused)
    require_answer(messages, "conversations")
    return {"messages": messages} | _tools(row, read_json)


def _sharegpt_turn(turn: Any, where: str) -> Any:
    if not isinstance(turn, dict) or "from" not in turn:
        return turn
    speaker, value = turn["from"], turn.get("value")
    if not isinstance(speaker, str) or speaker.lower() not in _SPEAKERS:
        raise RowProblem(f"{where}.from is {quoted(speaker)}; use human, gpt, system or tool")
    if not isinstance(value, str):
        raise RowProblem(f"{where}.value is {kind_of(value)}; it must be a string")
    return {"role": _SPEAKERS[speaker.lower()], "content": value}


def _tools(row: Row, read_json: ReadJson) -> Row:
    tools = _parsed(row.get("tools"), read_json)
    if tools is None or tools == "":
        return {}
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise RowProblem(f"tools is {kind_of(tools)}; it must be a list of objects")
    return {"tools": tools} if tools else {}


def _parsed(value: Any, read_json: ReadJson) -> Any:
    """Read a list that is written as JSON text, as in a cell of CSV."""
    return read_json(value) if isinstance(value, str) and value.lstrip().startswith("[") else value


_CONVERTERS: dict[str, Callable[[Row, Unused, ReadJson], Row]] = {
    "messages": messages_row,
    "sharegpt": _sharegpt_row,
    "prompt_completion": prompt_completion_row,
    "alpaca": _alpaca_row,
    "text": text_row,
}
