"""One pass over the rows of a version, past all checks; findings go to files as they come."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import orjson

from studio.checks import FINDINGS_FOLDER, FINDINGS_KEPT, RULES_VERSION
from studio.checks.base import Check, Context, Finding
from studio.checks.rules import all_checks
from studio.checks.seen import Seen
from studio.chores.child import Progress
from studio.formats.canonical import OFFSET_BYTES

_SHOWN_FIRST = 3


class FindingsFile:
    """The findings of one check: a JSON object a line, and where each line begins."""

    def __init__(self, folder: Path, name: str) -> None:
        self._lines: BinaryIO = (folder / f"{name}.jsonl").open("wb", buffering=1 << 16)
        self._offsets: BinaryIO = (folder / f"{name}.offsets").open("wb", buffering=1 << 14)
        self._size = 0
        self.count = 0
        self.first: list[Finding] = []

    def __enter__(self) -> "FindingsFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._offsets.close()

    def add(self, findings: Iterable[Finding]) -> None:
        """Write them, as long as there are not too many."""
        for finding in findings:
            self.count += 1
            if self.count > FINDINGS_KEPT:
                continue
            if len(self.first) < _SHOWN_FIRST:
                self.first.append(finding)
            line = orjson.dumps(asdict(finding)) + b"\n"
            self._offsets.write(self._size.to_bytes(OFFSET_BYTES, "little"))
            self._lines.write(line)
            self._size += len(line)


def check_rows(request: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Check the rows of `request["rows"]`; leaves a pair of files for each check under `findings/`."""
    rows = Path(request["rows"])
    context = Context(row_count=request["row_count"], canonical=request["canonical"], rows=rows)
    findings = folder / FINDINGS_FOLDER
    findings.mkdir()
    checks = [(check(context), FindingsFile(findings, check.name)) for check in all_checks()]
    codes = Path(request["split_codes"]).read_bytes()
    for seen in _rows(rows, codes):
        for check, file in checks:
            file.add(check.look(seen))
        if seen.number % 500 == 0:
            progress.tell("Checking rows", seen.number, context.row_count)
    found: list[dict[str, Any]] = []
    count = len(checks)
    while checks:
        progress.tell("Comparing rows", len(found), count)
        # What a check remembers of the rows goes before the next one compares them.
        check, file = checks.pop(0)
        with file:
            file.add(check.finish())
        found.append(_summary(check, file))
    progress.tell("Comparing rows", count, count)
    return {"rules_version": RULES_VERSION, "checks": found, "health": _health(found)}


def _rows(path: Path, codes: bytes) -> Iterator[Seen]:
    start = 0
    with path.open("rb", buffering=1 << 20) as stream:
        for number, line in enumerate(stream, start=1):
            yield Seen(number, codes[number - 1], orjson.loads(line), start)
            start += len(line)


def _summary(check: Check, file: FindingsFile) -> dict[str, Any]:
    return {
        "name": check.name,
        "title": check.title,
        "severity": check.severity,
        "explanation": check.explanation,
        "advice": check.advice,
        "fixes": list(check.fixes),
        "count": file.count,
        "first": [asdict(finding) for finding in file.first],
        "facts": json.loads(json.dumps(check.facts())),
    }


def _health(found: list[dict[str, Any]]) -> dict[str, int]:
    """How many checks of each severity found something."""
    return {
        severity: sum(1 for check in found if check["severity"] == severity and check["count"])
        for severity in ("blocker", "warning", "note")
    }
