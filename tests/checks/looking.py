"""Rows for the checks, and a look at them through one check."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from studio.checks.base import Check, Context, Finding
from studio.checks.rules import all_checks
from studio.checks.seen import Seen

Row = dict[str, Any]
CHECKS: dict[str, type[Check]] = {check.name: check for check in all_checks()}


def chat(question: str, answer: str, system: str = "") -> Row:
    """One exchange."""
    first = [{"role": "system", "content": system}] if system else []
    return {
        "messages": [*first, {"role": "user", "content": question}, {"role": "assistant", "content": answer}],
    }


def turns(*said: tuple[str, str]) -> Row:
    """A conversation of (role, content)."""
    return {"messages": [{"role": role, "content": content} for role, content in said]}


def pair(prompt: str, completion: str) -> Row:
    """A prompt and its completion."""
    return {"prompt": prompt, "completion": completion}


def written(folder: Path, rows: Sequence[Row]) -> Path:
    """The file of canonical rows."""
    path = folder / "rows.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def find(name: str, rows: Sequence[Row], codes: Sequence[int] = (), path: Path | None = None) -> list[Finding]:
    """All that the check of this name finds; rows are of the train split unless `codes` say otherwise."""
    return run(name, rows, codes, path)[1]


def run(
    name: str, rows: Sequence[Row], codes: Sequence[int] = (), path: Path | None = None
) -> tuple[Check, list[Finding]]:
    """The check itself, too."""
    check = CHECKS[name](Context(row_count=len(rows), canonical="messages", rows=path))
    found: list[Finding] = []
    start = 0
    for number, row in enumerate(rows, start=1):
        found += check.look(Seen(number, codes[number - 1] if codes else 0, row, start))
        start += len(orjson.dumps(row)) + 1
    return check, [*found, *check.finish()]


def found_rows(name: str, rows: Sequence[Row], codes: Sequence[int] = ()) -> list[int]:
    """The numbers of the rows that it finds."""
    return [finding.row for finding in find(name, rows, codes)]
