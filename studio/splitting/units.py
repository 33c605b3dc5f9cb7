"""Rows that have to stay on one side of a split, as units; standard library only, some tens of bytes a row."""

from array import array
from collections.abc import Hashable, Iterable, Sequence


class Units:
    """Union-find over rows (from 0): rows of one unit are named by its first row."""

    def __init__(self, row_count: int) -> None:
        self._parent = array("q", range(row_count))

    def join(self, one: int, other: int) -> None:
        """Keep two rows together."""
        first, second = sorted((self.first(one), self.first(other)))
        self._parent[second] = first

    def join_equal(self, keys: Iterable[Hashable | None]) -> None:
        """Keep rows with equal keys together; None joins nothing."""
        firsts: dict[Hashable, int] = {}
        for row, key in enumerate(keys):
            if key is not None:
                self.join(firsts.setdefault(key, row), row)

    def first(self, row: int) -> int:
        """The first row of a row's unit."""
        parent = self._parent
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    def members(self, rows: Iterable[int]) -> list[list[int]]:
        """The units of these rows, in the order of their first rows; each with its rows in order."""
        found: dict[int, list[int]] = {}
        for row in rows:
            found.setdefault(self.first(row), []).append(row)
        return [found[first] for first in sorted(found)]


def sizes_of(codes: Sequence[int]) -> tuple[int, int, int]:
    """How many rows train, validate and test."""
    counts = [0, 0, 0]
    for code in codes:
        counts[code] += 1
    return counts[0], counts[1], counts[2]
