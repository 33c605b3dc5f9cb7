"""Reads canonical rows of a run's datasets, and picks the ones that it uses."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.datasets.splits import Split, SplitName, split_rows
from studio.formats.canonical import OFFSET_BYTES
from studio.runs.mixing import choose
from worker.assignment import Assignment

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """A row and its number in the dataset, counted from 1 as people do."""

    number: int
    row: Row


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of one dataset of a run. Rows of a part are numbered on after those of the datasets `before` it."""

    rows_path: Path
    offsets_path: Path
    split_codes_path: Path | None
    row_count: int
    sha256: str
    split: Split
    part: int = 0
    before: int = 0

    def choose_places(self, split: SplitName, limit: int | None, *, seed: int) -> Sequence[int]:
        """Where at most `limit` rows of a split lie, from 0 and ascending; which ones depends only on the seed."""
        codes = self.split_codes_path.read_bytes() if self.split_codes_path else None
        places: Sequence[int] = split_rows(self.row_count, self.split, split, codes)
        return places if limit is None else choose(places, limit, seed=seed, part=self.part)

    def read(self, places: Iterable[int]) -> Iterator[NumberedRow]:
        """Read the rows at these places."""
        for numbered in read_rows(self.rows_path, self.offsets_path, places):
            yield NumberedRow(self.before + numbered.number, numbered.row)


def sources(assignment: Assignment) -> list[Source]:
    """The datasets of a run: the first one, then the parts of its mix."""
    data = assignment.spec.data
    first = Source(
        rows_path=assignment.rows_path,
        offsets_path=assignment.offsets_path,
        split_codes_path=assignment.split_codes_path,
        row_count=assignment.row_count,
        sha256=data.sha256,
        split=data.split,
    )
    found = [first]
    for part, files in zip(data.mix, assignment.mix, strict=True):
        found.append(
            Source(
                rows_path=files.rows_path,
                offsets_path=files.offsets_path,
                split_codes_path=files.split_codes_path,
                row_count=part.row_count,
                sha256=part.sha256,
                split=part.split,
                part=len(found),
                before=found[-1].before + found[-1].row_count,
            )
        )
    return found


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
