"""What every format gives: an iterator of raw rows and a way to turn one into a dictionary."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it was found; `number` counts rows from 1, `line` is where it begins in a text file."""

    number: int
    line: int | None
    raw: Any


@dataclass(frozen=True, slots=True)
class Table:
    """An opened file. `decode` raises RowProblem; going on in `rows` raises FileProblem.

    `columns` is None where each row names its own (JSON); `unread` says why a column is left out; `row_count` is None
    where nobody knows it before the end. `parts` are the names and row counts of the parts of a dataset, such as train
    and test, where a file holds several.
    """

    rows: Iterator[RawRow]
    decode: Callable[[Any], dict[str, Any]]
    columns: tuple[str, ...] | None = None
    unread: tuple[tuple[str, str], ...] = ()
    row_count: int | None = None
    parts: tuple[tuple[str, int], ...] = ()
