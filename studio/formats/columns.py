"""From the columns of a file to a plan: a shape known by its keys, a guess by usual names, or a mapping."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from studio.formats.problems import MappingFault, RowProblem, quoted
from studio.formats.shapes import (
    SHAPE_KEYS,
    ReadJson,
    Row,
    Unused,
    canonical_row,
    conversation,
    messages_row,
    optional_string,
    prompt_completion_row,
    recognise,
    text_row,
)

TARGETS = ("prompt", "completion", "system", "text", "messages")
_COMPLETE = (("prompt", "completion"), ("prompt", "completion", "system"), ("text",), ("messages",))
_PROMPT_NAMES = ("prompt", "question", "query", "instruction", "input", "user", "request")
_COMPLETION_NAMES = ("completion", "answer", "response", "output", "assistant", "reply")
_SYSTEM_NAMES = ("system", "system_prompt")
# Next to a question these carry a part of it: a guess that drops them would train on half a question.
_PARTS_OF_A_PROMPT = frozenset({"context", "passage", "document", "history", "options", "choices", "input"})


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows of one file become canonical; `mapping` is target -> column, if one was needed."""

    shape: str
    used: frozenset[str]
    mapping: Mapping[str, str] | None
    rename: Mapping[str, str]
    read_json: ReadJson

    def canonical(self, row: Row, unused: Unused) -> Row:
        """Convert one row; raises RowProblem."""
        for name in row.keys() - self.used:
            unused(name)
        if self.mapping is not None:
            return _mapped_row(row, self.mapping, unused, self.read_json)
        if self.rename:
            row = {self.rename.get(name, name): value for name, value in row.items()}
        found = recognise(row)
        if found not in (None, self.shape):
            raise RowProblem(f"this row has the shape {found}, yet the file began as {self.shape}; use one shape")
        return canonical_row(self.shape, row, unused=unused, read_json=self.read_json)


def plan_for(names: Collection[str], read_json: ReadJson) -> Plan | None:
    """Recognise or guess what the columns mean; None if neither is safe."""
    plain = {name: name.strip().lower() for name in names}
    lowered = set(plain.values())
    if len(lowered) < len(plain):
        return None
    if shape := recognise(lowered):
        rename = {name: lower for name, lower in plain.items() if name != lower and lower in SHAPE_KEYS[shape]}
        used = frozenset(name for name, lower in plain.items() if lower in SHAPE_KEYS[shape])
        return Plan(shape=shape, used=used | SHAPE_KEYS[shape], mapping=None, rename=rename, read_json=read_json)
    guess = _guess({lower: name for name, lower in plain.items()})
    return mapped_plan(guess, names, read_json) if guess else None


def mapped_plan(mapping: Mapping[str, str], names: Collection[str], read_json: ReadJson) -> Plan:
    """Follow a mapping of target -> column; raises MappingFault."""
    faults = _mapping_faults(mapping, names)
    if faults:
        raise MappingFault(faults)
    used = frozenset(mapping.values())
    return Plan(shape="mapped", used=used, mapping=dict(mapping), rename={}, read_json=read_json)


def _mapping_faults(mapping: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    faults = {}
    for target, column in mapping.items():
        if target not in TARGETS:
            faults[f"mapping.{target}"] = f"{quoted(target)} is not a target; use {', '.join(TARGETS)}."
        elif column not in names:
            faults[f"mapping.{target}"] = f"The file has no column {quoted(column)}."
    if not faults and not any(set(mapping) == set(complete) for complete in _COMPLETE):
        faults["mapping"] = "Map prompt and completion (and system, if there is one), or only text, or only messages."
    return faults


def _guess(by_lower: Mapping[str, str]) -> dict[str, str] | None:
    prompts = [name for name in _PROMPT_NAMES if name in by_lower]
    completions = [name for name in _COMPLETION_NAMES if name in by_lower]
    systems = [name for name in _SYSTEM_NAMES if name in by_lower]
    if len(prompts) != 1 or len(completions) != 1 or len(systems) > 1:
        return None
    if (_PARTS_OF_A_PROMPT - set(prompts)) & by_lower.keys():
        return None
    found = {"prompt": prompts, "completion": completions, "system": systems}
    return {target: by_lower[names[0]] for target, names in found.items() if names}


def _mapped_row(row: Row, mapping: Mapping[str, str], unused: Unused, read_json: ReadJson) -> Row:
    for column in mapping.values():
        if column not in row:
            raise RowProblem(f"the column {quoted(column)} is missing")
    targets = {target: row[column] for target, column in mapping.items()}
    if "system" in targets and (system := optional_string(targets, "system")):
        pair = prompt_completion_row(targets, unused, read_json)
        return _with_system(system, pair)
    return _converter(targets)(targets, unused, read_json)


def _with_system(system: str, pair: Row) -> Row:
    if not isinstance(pair["prompt"], str):
        raise RowProblem("a system column goes with a prompt of text, not with one of messages")
    return conversation(system, pair["prompt"], pair["completion"])


def _converter(targets: Row) -> Callable[[Row, Unused, ReadJson], Row]:
    if "messages" in targets:
        return messages_row
    if "text" in targets:
        return text_row
    return _single_exchange if "system" in targets else prompt_completion_row


def _single_exchange(targets: Row, unused: Unused, read_json: ReadJson) -> Row:
    """A row whose system cell is empty, in a file whose other rows are conversations."""
    pair: dict[str, Any] = prompt_completion_row(targets, unused, read_json)
    return _with_system("", pair)
