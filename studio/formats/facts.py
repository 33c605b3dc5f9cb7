"""Facts gathered while a file is read: plain counts, in memory that grows by eight bytes a row."""

import hashlib
from array import array
from collections import Counter
from typing import Any

from studio.formats.shapes import Row

_BUCKETS = 256
_NAMES_KEPT = 64


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

    def add(self, number: int, row: Row, line: bytes) -> None:
        """Count one canonical row; `line` is how it is stored."""
        self._rows += 1
        characters = _characters(row, self._turns)
        self._characters += characters
        if characters > self._longest_characters:
            self._longest_characters, self._longest_row = characters, number
        digest = hashlib.blake2b(line, digest_size=8).digest()
        self._hashes[digest[0]].append(int.from_bytes(digest, "big"))

    def leave_out(self, name: str) -> None:
        """Remember a column or key that is not trained on."""
        if name in self._unused or len(self._unused) < _NAMES_KEPT:
            self._unused[name] += 1

    def facts(self, shape: str) -> dict[str, Any]:
        """All counts, and the sentences worth showing first."""
        duplicates = sum(len(bucket) - len(set(bucket)) for bucket in self._hashes)
        facts: dict[str, Any] = {
            "rows_by_shape": {shape: self._rows},
            "duplicate_rows": duplicates,
            "longest_row_characters": self._longest_characters,
            "longest_row": self._longest_row,
            "mean_row_characters": round(self._characters / max(1, self._rows), 1),
            "turns": dict(sorted(self._turns.items())),
            "unused": sorted(self._unused),
        }
        return facts | {"notes": _notes(facts, self._rows)}


def _notes(facts: dict[str, Any], rows: int) -> list[str]:
    notes = []
    if duplicates := facts["duplicate_rows"]:
        word = "exact duplicate" if duplicates == 1 else "exact duplicates"
        notes.append(f"{duplicates:,} {word} ({_percent(duplicates, rows)})")
    if unused := facts["unused"]:
        more = f" and {len(unused) - 8} more" if len(unused) > 8 else ""
        notes.append(f"not used: {', '.join(unused[:8])}{more}")
    return notes


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return "under 1 %" if share < 1 else f"{share:.0f} %"


def _characters(row: Row, turns: Counter[str]) -> int:
    """Count the characters of a row's texts, and its turns by role."""
    total = 0
    for value in row.values():
        if isinstance(value, str):
            total += len(value)
        elif value and "role" in value[0]:
            turns.update(message["role"] for message in value)
            total += sum(len(message["content"] or "") for message in value)
    return total
