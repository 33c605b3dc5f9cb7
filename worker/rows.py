"""Reads canonical rows of a split, and picks the ones that a run uses."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
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
    return list(read_rows(assignment.rows_path, assignment.offsets_path, choose_places(assignment, split, limit)))


def choose_places(assignment: Assignment, split: SplitName, limit: int | None) -> Sequence[int]:
    """Where those rows lie, from 0 and ascending."""
    codes = assignment.split_codes_path.read_bytes() if assignment.split_codes_path else None
    places: Sequence[int] = split_rows(assignment.row_count, assignment.spec.data.split, split, codes)
    if limit is not None and limit < len(places):
        chosen = random.Random(assignment.spec.hyperparameters.seed)  # noqa: S311 - a seeded choice, not a secret
        places = sorted(chosen.sample(places, limit))
    return places


def read_rows(rows_path: Path, offsets_path: Path, places: Iterable[int]) -> Iterator[NumberedRow]:
    """Read the rows at these places (from 0), one at a time, through the file of offsets."""
    with rows_path.open("rb") as rows, offsets_path.open("rb") as offsets:
        for place in places:
            offsets.seek(place * OFFSET_BYTES)
            rows.seek(int.from_bytes(offsets.read(OFFSET_BYTES), "little"))
            yield NumberedRow(place + 1, json.loads(rows.readline()))


def read_all_rows(rows_path: Path) -> Iterator[NumberedRow]:
    """Read every row in order."""
    with rows_path.open("rb") as rows:
        for place, line in enumerate(rows):
            yield NumberedRow(place + 1, json.loads(line))
