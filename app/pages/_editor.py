"""The form of one row: its texts as turns that can be written, moved, added and removed, and the row it makes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from studio.errors import InvalidInput

ROLES = ("system", "user", "assistant", "tool")
_LABELS = {
    "messages": "Conversation",
    "prompt": "Prompt",
    "completion": "Answer",
    "text": "Text",
    "chosen": "Chosen answer",
    "rejected": "Rejected answer",
}
_MOST_TURNS = 150
_NEW = ""


@dataclass(frozen=True, slots=True)
class EditedTurn:
    """One text; `was` is the place in the row from which its other keys come, empty for a new turn."""

    role: str
    text: str
    was: str


@dataclass(frozen=True, slots=True)
class EditedPart:
    """One key of a row: a list of turns, or a single text."""

    key: str
    is_list: bool
    turns: list[EditedTurn]

    @property
    def label(self) -> str:
        """What it holds."""
        return _LABELS.get(self.key, self.key.capitalize())


def parts_of(row: Mapping[str, Any]) -> list[EditedPart]:
    """The texts of a row; what is no text, such as its tools, stays as it is."""
    return [_part(key, value) for key, value in row.items() if key in _LABELS]


def posted_parts(row: Mapping[str, Any], form: Mapping[str, str]) -> list[EditedPart]:
    """The same as they were written in the form."""
    return [replace(part, turns=_posted(part, form)) for part in parts_of(row)]


def act(parts: list[EditedPart], action: str) -> list[EditedPart]:
    """Move, add or remove a turn: `up.KEY.PLACE`, `down.KEY.PLACE`, `remove.KEY.PLACE`, `add.KEY`."""
    verb, _, rest = action.partition(".")
    key, _, place = rest.partition(".")
    at = int(place) if place.isdecimal() else 0
    return [replace(part, turns=_acted(part.turns, verb, at)) if part.key == key else part for part in parts]


def row_of(row: Mapping[str, Any], parts: list[EditedPart]) -> dict[str, Any]:
    """The row with these texts; raises InvalidInput when nothing was changed."""
    edited = written_row(row, parts)
    if edited == row:
        raise InvalidInput("Nothing was changed in this row.")
    return edited


def written_row(row: Mapping[str, Any], parts: list[EditedPart]) -> dict[str, Any]:
    """The row with these texts, equal to what it was where nothing was changed."""
    written = {part.key: _value(row[part.key], part) for part in parts}
    return {key: written.get(key, value) for key, value in row.items()}


def _part(key: str, value: Any) -> EditedPart:
    if isinstance(value, str):
        return EditedPart(key, False, [EditedTurn("", value, "0")])
    turns = [EditedTurn(message["role"], message.get("content") or "", str(at)) for at, message in enumerate(value)]
    return EditedPart(key, True, turns)


def _posted(part: EditedPart, form: Mapping[str, str]) -> list[EditedTurn]:
    turns: list[EditedTurn] = []
    while f"{(name := f'{part.key}.{len(turns)}')}.text" in form:
        text = form[f"{name}.text"].replace("\r\n", "\n")
        turns.append(EditedTurn(form.get(f"{name}.role", ""), text, form.get(f"{name}.was", _NEW)))
    return turns


def _acted(turns: list[EditedTurn], verb: str, at: int) -> list[EditedTurn]:
    turns = list(turns)
    if verb == "add" and len(turns) < _MOST_TURNS:
        turns.append(EditedTurn("user" if turns and turns[-1].role == "assistant" else "assistant", "", _NEW))
    if verb == "remove" and at < len(turns):
        del turns[at]
    other = {"up": at - 1, "down": at + 1}.get(verb, -1)
    if 0 <= other < len(turns) and at < len(turns):
        turns[at], turns[other] = turns[other], turns[at]
    return turns


def _value(before: Any, part: EditedPart) -> Any:
    if not part.is_list:
        return _text(before, part.turns[0].text) if part.turns else before
    return [_message(before, turn) for turn in part.turns]


def _message(before: list[dict[str, Any]], turn: EditedTurn) -> dict[str, Any]:
    """A turn keeps its other keys, such as calls of tools, for as long as the same role says it."""
    old = before[int(turn.was)] if turn.was.isdecimal() and int(turn.was) < len(before) else {}
    kept = old if old.get("role") == turn.role else {}
    content = kept.get("content")
    said = None if kept and content is None and not turn.text else _text(content, turn.text)
    return {**kept, "role": turn.role, "content": said}


def _text(before: str | None, written: str) -> str:
    """Forms write every line end as CR LF; a text that differs in nothing else stays as it was."""
    return before if before is not None and before.replace("\r\n", "\n") == written else written
