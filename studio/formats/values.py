"""Values of a row, taken as what they must be."""

import re
from collections.abc import Callable
from typing import Any

from studio.formats.problems import RowProblem, kind_of

Row = dict[str, Any]
Unused = Callable[[str], None]
ReadJson = Callable[[str], Any]

_LIST_OF_OBJECTS = re.compile(r"\s*\[\s*\{")


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


def parsed(value: Any, read_json: ReadJson) -> Any:
    """Read a list that is written as JSON text, as in a cell of CSV; raises RowProblem."""
    return read_json(value) if isinstance(value, str) and value.lstrip().startswith("[") else value


def text_or_messages(value: Any, read_json: ReadJson) -> Any:
    """A text as it is, unless it is a list of messages written as JSON: an answer may be JSON as well."""
    if not (isinstance(value, str) and _LIST_OF_OBJECTS.match(value)):
        return value
    try:
        found = read_json(value)
    except RowProblem:
        return value
    return found if all(isinstance(item, dict) and "role" in item for item in found) else value


def tools_of(row: Row, read_json: ReadJson) -> Row:
    """The tools of a row, given as a list or as JSON text, if it has any; raises RowProblem."""
    tools = parsed(row.get("tools"), read_json)
    if tools is None or tools == "":
        return {}
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise RowProblem(f"tools is {kind_of(tools)}; it must be a list of objects")
    return {"tools": tools} if tools else {}
