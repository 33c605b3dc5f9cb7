"""Rows that share a hash, found by sorting numbers rather than by a dictionary of objects."""

from array import array
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]


def groups_of(hashes: "array[int] | npt.NDArray[np.uint64]") -> Iterator[Places]:
    """The places (from 0, ascending) of each value that occurs twice or more; groups by their first place.

    With 5 million rows, two values that differ share a 64-bit hash with p = 7e-7.
    """
    values = np.frombuffer(hashes, dtype=np.uint64) if len(hashes) else np.empty(0, np.uint64)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(values) else order
    sizes = np.diff(np.append(starts, len(values)))
    many = np.flatnonzero(sizes > 1)
    many = many[np.argsort(order[starts[many]])]
    for start, size in zip(starts[many].tolist(), sizes[many].tolist(), strict=True):
        yield order[start : start + size]
