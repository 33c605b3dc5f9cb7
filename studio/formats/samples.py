"""The first rows of a file whose columns are not known: kept small, guessed at, and read as a mapping says."""

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from studio.formats.columns import COMPLETION_NAMES, SYSTEM_NAMES, mapped_plan
from studio.formats.limits import ImportLimits
from studio.formats.problems import RowProblem, shown
from studio.formats.shapes import PROMPT_NAMES
from studio.formats.strict_json import json_reader
from studio.formats.values import ReadJson, Row

SAMPLE_ROWS = 3
SAMPLES_BYTES = 16 * 1024
# Characters of a text and items of a list, from generous to mean: the first that fit are taken.
_CUTS = ((1000, 8), (300, 6), (100, 4), (30, 2))
_NEVER_TEXT = re.compile("[\x00\ud800-\udfff]")
_WORD_END = re.compile("[^a-z0-9]+")
# Names that say enough for a first guess that a person looks at, but not for reading a file without asking.
_PROMPTS = (
    *PROMPT_NAMES,
    *("problem", "task", "title", "source", "src", "utterance", "sentence", "review", "message", "body", "content"),
    *("document", "article", "passage", "context", "text"),
)
_COMPLETIONS = (
    *COMPLETION_NAMES,
    *("target", "tgt", "label", "labels", "category", "class", "intent", "sentiment"),
    *("summary", "solution", "translation", "highlights", "code", "sql"),
)


def sample_rows(rows: Sequence[Row]) -> list[Row]:
    """Up to three rows with all their columns and shortened values; none if even so they take more than 16 KiB."""
    found: list[Row] = []
    for characters, items in _CUTS:
        found = [_shortened(row, characters, items) for row in rows[:SAMPLE_ROWS]]
        if _size_bytes(found) <= SAMPLES_BYTES:
            return found
    while _size_bytes(found) > SAMPLES_BYTES:
        found.pop()
    return found


def read_samples(text: str) -> list[Row]:
    """The rows that `sample_rows` made, after a form held them as JSON; raises RowProblem."""
    if len(text) > 2 * SAMPLES_BYTES:
        raise RowProblem("the rows are longer than they were sent")
    rows = _reader()(text)
    if not isinstance(rows, list) or len(rows) > SAMPLE_ROWS or not all(isinstance(row, dict) for row in rows):
        raise RowProblem("these are not the rows that were sent")
    return rows


def map_samples(rows: Sequence[Row], mapping: Mapping[str, str]) -> list[Row | str]:
    """Each row as the mapping makes it, or why it cannot be read; raises MappingFault."""
    # A column that only later rows have is known to the file, so each row here is asked for it.
    names = {*mapping.values(), *(name for row in rows for name in row)}
    plan = mapped_plan(mapping, names, _reader())
    found: list[Row | str] = []
    for row in rows:
        try:
            found.append(plan.canonical(row, _ignore))
        except RowProblem as problem:
            found.append(str(problem))
    return found


def guess_mapping(columns: Collection[str], rows: Sequence[Row]) -> dict[str, str]:
    """What the columns most likely hold, to begin with; empty where their names say nothing."""
    conversation = next((name for row in rows for name, value in row.items() if _is_conversation(value)), None)
    if conversation is not None:
        return {"messages": conversation}
    plain = {name: name.strip().lower() for name in columns}
    by_lower = {lower: name for name, lower in plain.items()}
    prompt, completion = _named(plain, _PROMPTS), _named(plain, _COMPLETIONS)
    systems = [by_lower[name] for name in SYSTEM_NAMES if name in by_lower]
    system = {"system": systems[0]} if systems else {}
    if prompt and {"chosen", "rejected"} <= by_lower.keys():
        return {"prompt": prompt, "chosen": by_lower["chosen"], "rejected": by_lower["rejected"], **system}
    if prompt and completion and prompt != completion:
        return {"prompt": prompt, "completion": completion, **system}
    return {"text": by_lower["text"]} if "text" in by_lower else {}


def _named(plain: Mapping[str, str], names: Sequence[str]) -> str | None:
    """The column with the first of these names, else the first that has one of them as a word."""
    whole = (column for name in names for column, lower in plain.items() if lower == name)
    in_part = (column for name in names for column, lower in plain.items() if name in _WORD_END.split(lower))
    return next(whole, None) or next(in_part, None)


def _is_conversation(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(turn, dict) and "role" in turn for turn in value)


def _shortened(value: Any, characters: int, items: int) -> Any:
    if isinstance(value, str):
        return _short_text(value, characters, items)
    if isinstance(value, dict):
        return {_NEVER_TEXT.sub("\ufffd", key): _shortened(kept, characters, items) for key, kept in value.items()}
    if isinstance(value, list):
        # The last turn of a conversation is its answer, so the middle goes.
        kept = value if len(value) <= items else [*value[: items // 2], *value[-(items // 2) :]]
        return [_shortened(item, characters, items) for item in kept]
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return shown(str(value))


def _short_text(text: str, characters: int, items: int) -> str:
    """A text that is JSON stays JSON: a cell may hold a list of messages."""
    if len(text) > characters and text.lstrip().startswith("["):
        try:
            return _written(_shortened(_reader()(text), characters, items))
        except RowProblem:
            pass
    cut = text if len(text) <= characters else f"{text[:characters]}…"
    return _NEVER_TEXT.sub("\ufffd", cut)


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _size_bytes(rows: list[Row]) -> int:
    return len(_written(rows).encode())


def _reader() -> ReadJson:
    return json_reader(ImportLimits())


def _ignore(name: str) -> None:
    """Be told of a column that is left out."""
