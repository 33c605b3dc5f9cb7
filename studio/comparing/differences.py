"""Which rows differ between two versions, found by the places in an ancestor that their rows come from.

No row is read. A file of each kind holds pairs of row numbers (from 1; 0: there is none), so that a page of them is
one seek.
"""

import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from studio.mending import ADDED, CHANGED_BIT

DiffKind = Literal["dropped", "added", "changed"]
DIFF_KINDS: tuple[DiffKind, ...] = ("dropped", "added", "changed")
PAIR_BYTES = 16
_NUMBER = CHANGED_BIT - 1
# A row that was added comes from no row of the ancestor. Greater than any place, these keep the two sides apart.
_ADDED_BEFORE, _ADDED_AFTER = _NUMBER - 2, _NUMBER - 1
_TOLD_EVERY = 1 << 16


@dataclass(frozen=True, slots=True)
class Line:
    """How a version comes from an ancestor: how many rows it has, and files of origins, its own first."""

    row_count: int
    origins: Sequence[Path]


def write_differences(
    folder: Path, before: Line, after: Line, *, tell: Callable[[int], None] = lambda done: None
) -> dict[DiffKind, int]:
    """Make the folder with a file for each kind; returns how many rows differ in each way. `tell` is given rows."""
    found = {kind: array("Q") for kind in DIFF_KINDS}
    for kind, mine, other in _pairs(_origins(before, _ADDED_BEFORE), _origins(after, _ADDED_AFTER), tell):
        found[kind].extend((mine, other))
    folder.mkdir(parents=True)
    for kind, numbers in found.items():
        (folder / kind).write_bytes(_packed(numbers))
    return {kind: len(numbers) // 2 for kind, numbers in found.items()}


def unpacked(packed: bytes) -> "array[int]":
    """Little-endian 64-bit numbers."""
    numbers = array("Q", packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _pairs(
    ours: "array[int]", theirs: "array[int]", tell: Callable[[int], None]
) -> Iterator[tuple[DiffKind, int, int]]:
    """Walk both versions in the order of the rows that they come from."""
    mine = other = told = 0
    while mine < len(ours) or other < len(theirs):
        if mine + other >= told:
            tell(mine + other)
            told += _TOLD_EVERY
        left = ours[mine] & _NUMBER if mine < len(ours) else _NUMBER
        right = theirs[other] & _NUMBER if other < len(theirs) else _NUMBER
        mine, other = mine + (left <= right), other + (right <= left)
        if left < right:
            yield "dropped", mine, 0
        elif right < left:
            yield "added", 0, other
        elif (ours[mine - 1] | theirs[other - 1]) & CHANGED_BIT:
            yield "changed", mine, other


def _origins(line: Line, added: int) -> "array[int]":
    """The place of each row in the ancestor (from 1) or `added`, with CHANGED_BIT if it was changed since."""
    origins = array("Q", range(1, line.row_count + 1))
    for path in line.origins:
        # A row that was added stays one in all versions that come after.
        below = array("Q", [ADDED]) + unpacked(path.read_bytes())
        origins = array("Q", (below[origin & _NUMBER] | (origin & CHANGED_BIT) for origin in origins))
    if ADDED in origins or ADDED | CHANGED_BIT in origins:
        origins = array("Q", (origin if origin & _NUMBER != ADDED else origin | added for origin in origins))
    return origins


def _packed(numbers: "array[int]") -> bytes:
    return unpacked(numbers.tobytes()).tobytes()
