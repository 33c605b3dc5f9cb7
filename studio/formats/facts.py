"""Facts gathered while a file is read: plain counts, in memory that grows by eight bytes a row."""

import json
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from xxhash import xxh3_64_intdigest

from studio.formats.values import Row

_BUCKETS = 256
_NAMES_KEPT = 64
_NOT_SAID = frozenset({"tools", "fields"})


class FactCounter:
    """Counts what a person wants to know of a dataset before training on it."""

    def __init__(self) -> None:
        self._rows = 0
        self._characters = 0
        self._longest_characters = 0
        self._longest_row = 0
        self._turns: Counter[str] = Counter()
        self._unused: Counter[str] = Counter()
        self._hashes = [array("Q") for _ in range(_BUCKETS)]

    def add_all(self, lines: Sequence[bytes], characters: int, spoken: Sequence[str]) -> None:
        """Count canonical rows without their fields: all characters of their texts, the roles of all their turns."""
        for number, line in enumerate(lines, start=self._rows + 1):
            if len(line) > self._longest_characters:
                self._measure(number, line)
        self._rows += len(lines)
        self._characters += characters
        self._turns.update(spoken)
        hashes = self._hashes
        for digest in map(xxh3_64_intdigest, lines):
            hashes[digest % _BUCKETS].append(digest)

    def _measure(self, number: int, line: bytes) -> None:
        """A line is longer than its texts, so that only few lines have to be looked into."""
        characters = row_characters(json.loads(line), [])
        if characters > self._longest_characters:
            self._longest_characters, self._longest_row = characters, number

    def leave_out(self, name: str) -> None:
        """Remember a column or key that is not trained on."""
        if name in self._unused or len(self._unused) < _NAMES_KEPT:
            self._unused[name] += 1

    def facts(self, shape: str, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """All counts and what `more` is known, and the sentences worth showing first."""
        duplicates = sum(len(bucket) - len(set(bucket)) for bucket in self._hashes)
        facts: dict[str, Any] = {
            "rows_by_shape": {shape: self._rows},
            "duplicate_rows": duplicates,
            "longest_row_characters": self._longest_characters,
            "longest_row": self._longest_row,
            "mean_row_characters": round(self._characters / max(1, self._rows), 1),
            "turns": dict(sorted(self._turns.items())),
            "unused": sorted(self._unused),
            **(more or {}),
        }
        return facts | {"notes": _notes(facts, self._rows)}


def _notes(facts: dict[str, Any], rows: int) -> list[str]:
    notes = []
    if duplicates := facts["duplicate_rows"]:
        word = "exact duplicate" if duplicates == 1 else "exact duplicates"
        notes.append(f"{duplicates:,} {word} ({_percent(duplicates, rows)})")
    if count := facts.get("left_out", {}).get("count", 0):
        notes.append(f"{count:,} {'row' if count == 1 else 'rows'} with problems left out")
    if fields := facts.get("fields"):
        notes.append(f"kept beside the rows: {', '.join(fields)}")
    if unused := facts["unused"]:
        more = f" and {len(unused) - 8} more" if len(unused) > 8 else ""
        notes.append(f"not used: {', '.join(unused[:8])}{more}")
    return notes


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return "under 1 %" if share < 1 else f"{share:.0f} %"


def row_characters(row: Row, spoken: list[str]) -> int:
    """Count the characters of a row's texts, and add the role of each of its turns to `spoken`."""
    total = 0
    for key, value in row.items():
        if isinstance(value, str):
            total += len(value)
        elif key not in _NOT_SAID:
            spoken.extend(message["role"] for message in value)
            total += sum(len(message["content"] or "") for message in value)
    return total
