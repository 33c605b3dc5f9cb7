"""The shapes of rows that are recognised by their keys, and how each becomes a canonical row."""

from collections.abc import Callable, Collection
from typing import Any

from studio.formats.messages import Message, checked_messages, require_answer
from studio.formats.preferences import OPENAI_ANSWERS, openai_preference_row, preference_row
from studio.formats.problems import RowProblem, kind_of, quoted
from studio.formats.values import ReadJson, Unused, optional_string, parsed, required_string, tools_of
from studio.formats.values import Row as Row

PROMPT_NAMES = ("prompt", "question", "query", "instruction", "input", "user", "request")
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
_TURN_KEYS = frozenset({"from", "value", "weight"})
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
    "openai_preference": frozenset({"input", *(name for pair in OPENAI_ANSWERS for name in pair)}),
    "preference": frozenset({"prompt", "chosen", "rejected", "system", "tools"}),
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
    if "input" in names and any(set(pair) <= set(names) for pair in OPENAI_ANSWERS):
        return "openai_preference"
    if "chosen" in names and "rejected" in names:
        return "preference" if "prompt" in names or set(PROMPT_NAMES).isdisjoint(names) else None
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
    kind = "preference" if "chosen" in row else "prompt_completion"
    return kind if isinstance(row["prompt"], str) else f"{kind} of messages"


def messages_row(row: Row, unused: Unused, read_json: ReadJson) -> Row:
    """Check a row of chat messages; a cell of CSV or Parquet may hold them as JSON text."""
    messages = checked_messages(parsed(row.get("messages"), read_json), "messages", unused)
    require_answer(messages, "messages")
    return {"messages": messages} | tools_of(row, read_json)


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
    return {"prompt": prompt, "completion": completion} | tools_of(row, read_json)


def _alpaca_row(row: Row, unused: Unused, read_json: ReadJson) -> Row:
    question = required_string(row, "instruction")
    if more := optional_string(row, "input"):
        question = f"{question}\n\n{more}"
    answer = required_string(row, "output")
    history = _alpaca_history(parsed(row.get("history"), read_json) or [])
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
    turns = parsed(row.get("conversations"), read_json)
    if not isinstance(turns, list):
        raise RowProblem(f"conversations is {kind_of(turns)}; it must be a list of turns")
    messages = [_sharegpt_turn(turn, index, unused) for index, turn in enumerate(turns)]
    if system := optional_string(row, "system"):
        messages.insert(0, {"role": "system", "content": system})
    messages = checked_messages(messages, "conversations", unused)
    require_answer(messages, "conversations")
    return {"messages": messages} | tools_of(row, read_json)


def _sharegpt_turn(turn: Any, index: int, unused: Unused) -> Any:
    if not isinstance(turn, dict) or "from" not in turn:
        return turn
    speaker, value = turn["from"], turn.get("value")
    if not isinstance(speaker, str) or speaker.lower() not in _SPEAKERS:
        raise RowProblem(f"conversations[{index}].from is {quoted(speaker)}; use human, gpt, system or tool")
    if not isinstance(value, str):
        raise RowProblem(f"conversations[{index}].value is {kind_of(value)}; it must be a string")
    if len(turn) == 2:
        return {"role": _SPEAKERS[speaker.lower()], "content": value}
    for key, left_out in turn.items():
        if key not in _TURN_KEYS and left_out is not None:
            unused(f"conversations[].{key}")
    return {"role": _SPEAKERS[speaker.lower()], "content": value, "weight": turn.get("weight")}


_CONVERTERS: dict[str, Callable[[Row, Unused, ReadJson], Row]] = {
    "messages": messages_row,
    "sharegpt": _sharegpt_row,
    "prompt_completion": prompt_completion_row,
    "alpaca": _alpaca_row,
    "openai_preference": openai_preference_row,
    "preference": preference_row,
    "text": text_row,
}
