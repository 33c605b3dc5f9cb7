"""Rows with two answers, a preferred and a rejected one, in the spellings of TRL and of OpenAI."""

from typing import Any

from studio.formats.messages import Message, checked_messages, require_answer
from studio.formats.problems import RowProblem, kind_of
from studio.formats.values import (
    ReadJson,
    Row,
    Unused,
    optional_string,
    parsed,
    required_string,
    text_or_messages,
    tools_of,
)

OPENAI_ANSWERS = (("preferred_output", "non_preferred_output"), ("preferred_completion", "non_preferred_completion"))
_OPENAI_INPUT = frozenset({"messages", "tools"})


def preference_row(row: Row, unused: Unused, read_json: ReadJson) -> Row:
    """Texts, or lists of messages; without a prompt it is what both lists begin with. Raises RowProblem."""
    prompt, chosen, rejected = (text_or_messages(row.get(key), read_json) for key in ("prompt", "chosen", "rejected"))
    system = optional_string(row, "system")
    if isinstance(chosen, list) != isinstance(rejected, list):
        raise RowProblem("chosen and rejected must both be strings or both be lists of messages")
    if not isinstance(chosen, list) and not isinstance(prompt, list):
        texts = _texts(row)
        # Rows of one file stay of one kind, also those whose system prompt is empty.
        return texts if "system" not in row else _with_system(system, _as_messages(texts)) | tools_of(row, read_json)
    if not isinstance(chosen, list):
        chosen, rejected = (_answer(required_string(row, key)) for key in ("chosen", "rejected"))
    made = _of_messages(prompt, chosen, rejected, unused)
    return _with_system(system, made) | tools_of(row, read_json)


def openai_preference_row(row: Row, unused: Unused, read_json: ReadJson) -> Row:
    """A row with `input` and two outputs, by their present names or their older ones. Raises RowProblem."""
    asked = row.get("input")
    if isinstance(asked, str) and asked.lstrip().startswith("{"):
        asked = read_json(asked)
    if not isinstance(asked, dict):
        raise RowProblem(f"input is {kind_of(asked)}; it must be an object with messages")
    for key in asked.keys() - _OPENAI_INPUT:
        unused(f"input.{key}")
    names = next(pair for pair in OPENAI_ANSWERS if pair[0] in row or pair[1] in row)
    prompt = checked_messages(parsed(asked.get("messages"), read_json), "input.messages", unused)
    answers = [checked_messages(parsed(row.get(name), read_json), name, unused) for name in names]
    for name, answer in zip(names, answers, strict=True):
        require_answer(answer, name)
    return {"prompt": prompt, "chosen": answers[0], "rejected": answers[1]} | tools_of(asked, read_json)


def _texts(row: Row) -> Row:
    if row.get("prompt") is None:
        raise RowProblem("prompt is missing; where chosen and rejected are texts, the question needs its own column")
    return {key: required_string(row, key) for key in ("prompt", "chosen", "rejected")}


def _as_messages(texts: Row) -> Row:
    prompt = [{"role": "user", "content": texts["prompt"]}]
    return {"prompt": prompt, "chosen": _answer(texts["chosen"]), "rejected": _answer(texts["rejected"])}


def _answer(text: str) -> list[Message]:
    return [{"role": "assistant", "content": text}]


def _of_messages(asked: Any, chosen: Any, rejected: Any, unused: Unused) -> Row:
    chosen, rejected = checked_messages(chosen, "chosen", unused), checked_messages(rejected, "rejected", unused)
    prompt = checked_messages(asked, "prompt", unused) if isinstance(asked, list) else _shared(chosen, rejected)
    if chosen[: len(prompt)] == prompt == rejected[: len(prompt)]:
        chosen, rejected = chosen[len(prompt) :], rejected[len(prompt) :]
    if not prompt and isinstance(asked, str) and asked.strip():
        prompt = [{"role": "user", "content": asked}]
    if not prompt:
        raise RowProblem("prompt is missing, and chosen and rejected do not begin with the same message")
    require_answer(chosen, "chosen")
    require_answer(rejected, "rejected")
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _shared(chosen: list[Message], rejected: list[Message]) -> list[Message]:
    """What both begin with; the last message of either is an answer."""
    shared: list[Message] = []
    for one, other in zip(chosen[:-1], rejected[:-1], strict=False):
        if one != other:
            break
        shared.append(one)
    return shared


def _with_system(system: str, row: Row) -> Row:
    if not system or row["prompt"][0]["role"] == "system":
        return row
    return row | {"prompt": [{"role": "system", "content": system}, *row["prompt"]]}
