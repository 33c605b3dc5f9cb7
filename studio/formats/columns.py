"""From the columns of a file to a plan: a shape known by its keys, a guess by usual names, or a mapping."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from studio.formats.fields import FIELDS, FieldKeeper
from studio.formats.preferences import preference_row
from studio.formats.problems import MappingFault, RowProblem, quoted
from studio.formats.shapes import (
    PROMPT_NAMES,
    SHAPE_KEYS,
    canonical_row,
    conversation,
    messages_row,
    prompt_completion_row,
    recognise,
    text_row,
)
from studio.formats.values import ReadJson, Row, Unused, optional_string

TARGETS = ("prompt", "completion", "system", "text", "messages", "chosen", "rejected")
_PAIR, _PREFERENCE = ("prompt", "completion"), ("prompt", "chosen", "rejected")
_COMPLETE = (_PAIR, (*_PAIR, "system"), _PREFERENCE, (*_PREFERENCE, "system"), ("text",), ("messages",))
_INCOMPLETE = (
    "Map prompt and completion, or prompt, chosen and rejected (and system, if there is one), or only text, or only"
    " messages."
)
COMPLETION_NAMES = ("completion", "answer", "response", "output", "assistant", "reply")
SYSTEM_NAMES = ("system", "system_prompt")
# Next to a question these carry a part of it: a guess that drops them would train on half a question.
_PARTS_OF_A_PROMPT = frozenset({"context", "passage", "document", "history", "options", "choices", "input"})


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows of one file become canonical; `mapping` is target -> column, if one was needed.

    With `fields` what stands beside the shape is kept, and a system column is a part of the shape. Files of version
    0.1 were imported without them.
    """

    shape: str
    used: frozenset[str]
    mapping: Mapping[str, str] | None
    rename: Mapping[str, str]
    read_json: ReadJson
    fields: FieldKeeper | None = None

    def canonical(self, row: Row, unused: Unused) -> Row:
        """Convert one row; raises RowProblem."""
        made = self._converted(row, unused)
        if len(row) == len(made) and self.used.issuperset(row):
            return made
        if self.fields is None:
            for name in row:
                if name not in self.used:
                    unused(name)
        elif fields := self.fields.kept(row, self.used, unused):
            made[FIELDS] = fields
        return made

    def _converted(self, row: Row, unused: Unused) -> Row:
        if self.mapping is not None:
            return _mapped_row(row, self.mapping, unused, self.read_json)
        if self.rename:
            row = {self.rename.get(name, name): value for name, value in row.items()}
        found = recognise(row)
        if found not in (None, self.shape):
            raise RowProblem(f"this row has the shape {found}, yet the file began as {self.shape}; use one shape")
        if self.fields is not None and self.shape == "prompt_completion" and optional_string(row, "system"):
            raise RowProblem("this row has a system prompt, yet the first rows have none; give every row a system key")
        return canonical_row(self.shape, row, unused=unused, read_json=self.read_json)


def plan_for(names: Collection[str], read_json: ReadJson, fields: FieldKeeper | None = None) -> Plan | None:
    """Recognise or guess what the columns mean; None if neither is safe."""
    plain = {name: name.strip().lower() for name in names}
    lowered = set(plain.values())
    if len(lowered) < len(plain):
        return None
    if shape := recognise(lowered):
        if shape == "prompt_completion" and "system" in lowered and fields is not None:
            by_lower = {lower: name for name, lower in plain.items()}
            return mapped_plan({key: by_lower[key] for key in (*_PAIR, "system")}, names, read_json, fields)
        rename = {name: lower for name, lower in plain.items() if name != lower and lower in SHAPE_KEYS[shape]}
        used = frozenset(name for name, lower in plain.items() if lower in SHAPE_KEYS[shape])
        return Plan(
            shape=shape, used=used | SHAPE_KEYS[shape], mapping=None, rename=rename, read_json=read_json, fields=fields
        )
    guess = _guess({lower: name for name, lower in plain.items()})
    return mapped_plan(guess, names, read_json, fields) if guess else None


def system_beside(names: Collection[str]) -> list[str]:
    """The system column beside prompt and completion; rows of one file may have it or not."""
    plain = {name: name.strip().lower() for name in names}
    return [name for name, lower in plain.items() if lower == "system" and {*_PAIR} <= {*plain.values()}]


def mapped_plan(
    mapping: Mapping[str, str], names: Collection[str], read_json: ReadJson, fields: FieldKeeper | None = None
) -> Plan:
    """Follow a mapping of target -> column; raises MappingFault."""
    faults = _mapping_faults(mapping, names)
    if faults:
        raise MappingFault(faults)
    used = frozenset(mapping.values())
    return Plan(shape="mapped", used=used, mapping=dict(mapping), rename={}, read_json=read_json, fields=fields)


def _mapping_faults(mapping: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    faults = {}
    for target, column in mapping.items():
        if target not in TARGETS:
            faults[f"mapping.{target}"] = f"{quoted(target)} is not a target; use {', '.join(TARGETS)}."
        elif column not in names:
            faults[f"mapping.{target}"] = f"The file has no column {quoted(column)}."
        elif list(mapping.values()).index(column) < list(mapping).index(target):
            faults[f"mapping.{target}"] = f"The column {quoted(column)} is chosen twice; choose another one."
    if not faults and not any(set(mapping) == set(complete) for complete in _COMPLETE):
        faults["mapping"] = _INCOMPLETE
    return faults


def _guess(by_lower: Mapping[str, str]) -> dict[str, str] | None:
    prompts = [name for name in PROMPT_NAMES if name in by_lower]
    completions = [name for name in COMPLETION_NAMES if name in by_lower]
    systems = [name for name in SYSTEM_NAMES if name in by_lower]
    preferred = {"chosen", "rejected"} <= by_lower.keys()
    if len(prompts) != 1 or len(completions) != (0 if preferred else 1) or len(systems) > 1:
        return None
    if (_PARTS_OF_A_PROMPT - set(prompts)) & by_lower.keys():
        return None
    answers = {"chosen": ["chosen"], "rejected": ["rejected"]} if preferred else {"completion": completions}
    found = {"prompt": prompts, **answers, "system": systems}
    return {target: by_lower[names[0]] for target, names in found.items() if names}


def _mapped_row(row: Row, mapping: Mapping[str, str], unused: Unused, read_json: ReadJson) -> Row:
    for target, column in mapping.items():
        if column not in row and target != "system":
            raise RowProblem(f"the column {quoted(column)} is missing")
    targets = {target: row.get(column) for target, column in mapping.items()}
    if "chosen" in targets:
        return preference_row(targets, unused, read_json)
    if "system" in targets:
        return _with_system(optional_string(targets, "system"), prompt_completion_row(targets, unused, read_json))
    return _converter(targets)(targets, unused, read_json)


def _with_system(system: str, pair: Row) -> Row:
    """A conversation, even where a row of the file has no system prompt."""
    if isinstance(pair["prompt"], str):
        return conversation(system, pair["prompt"], pair["completion"])
    if not system or pair["prompt"][0]["role"] == "system":
        return pair
    return pair | {"prompt": [{"role": "system", "content": system}, *pair["prompt"]]}


def _converter(targets: Row) -> Callable[[Row, Unused, ReadJson], Row]:
    if "messages" in targets:
        return messages_row
    return text_row if "text" in targets else prompt_completion_row
