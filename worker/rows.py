"""Reads canonical rows of a split, and picks the ones that a run uses."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.datasets.splits import SplitName, split_rows
from studio.formats.canonical import OFFSET_BYTES
from worker.assignment import Assignment

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """A row and its number in the dataset, counted from 1 as people do."""

    number: int
    row: Row


def choose_rows(assignment: Assignment, split: SplitName, limit: int | None) -> list[NumberedRow]:
    """Read at most `limit` rows of a split; which ones depends only on the run's seed."""
    codes = assignment.split_codes_path.read_bytes() if assignment.split_codes_path else None
    positions: Sequence[int] = split_rows(assignment.row_count, assignment.spec.data.split, split, codes)
    if limit is not None and limit < len(positions):
        chosen = random.Random(assignment.spec.hyperparameters.seed)  # noqa: S311 - a seeded choice, not a secret
        positions = sorted(chosen.sample(positions, limit))
    return read_rows(assignment.rows_path, assignment.offsets_path, positions)


def read_rows(rows_path: Path, offsets_path: Path, positions: Sequence[int]) -> list[NumberedRow]:
    """Read the rows at these positions (from 0) through the file of offsets."""
    offsets = offsets_path.read_bytes()
    rows = []
    with rows_path.open("rb") as stream:
        for position in positions:
            where = offsets[position * OFFSET_BYTES : (position + 1) * OFFSET_BYTES]
            stream.seek(int.from_bytes(where, "little"))
            rows.append(NumberedRow(position + 1, json.loads(stream.readline())))
    return rows
