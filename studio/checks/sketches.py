"""Sketches of texts by MinHash, and pairs of texts that are likely to be alike (locality-sensitive hashing)."""

from array import array
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from studio.checks.words import Numbers, Places

try:
    from rensa import RMinHash
except ImportError:  # The studio does without: only texts that are equal but for punctuation and courtesy are found.
    RMinHash = None

HAS_SKETCHES = RMinHash is not None

# With 32 bands of 2, a pair that shares 0.3 of its shingles becomes a candidate with p = 0.95, one of 0.5 with 0.9999.
SLOTS = 64
_SEED = 42
_MIXER = np.uint32(2654435761)
# In a band, a text is compared with so many that follow it: those of one template may be thousands.
_NEIGHBOURS = 8
# Slots of 64 that a pair must share, by how many shingles the longer text has: one word that differs costs three.
_LEAST_SHARED = np.array([26] * 10 + [22] * 30 + [28], np.uint8)
_PER_TEXT = 12
# Pairs that are made objects at a time.
_CHUNK = 1 << 16
Pairs = npt.NDArray[np.int64]


class Sketches:
    """Rows of sixteen-bit slots for up to `capacity` texts, each known by its place."""

    def __init__(self, capacity: int) -> None:
        self._slots = np.empty((capacity, SLOTS), np.uint16)
        self._places = np.empty(capacity, np.int64)
        self._sizes = np.empty(capacity, np.uint8)
        self._count = 0

    def add(self, shingles: Numbers, owners: Places, places: Places) -> None:
        """Sketch the texts at `places` that have a shingle; `owners` (ascending) index into `places`."""
        if RMinHash is None or not len(shingles):
            return
        having, starts = np.unique(owners, return_index=True)
        offsets = np.append(starts, len(shingles)).astype(np.uint64)
        digests = RMinHash.digest_matrix_from_flat_token_hashes(shingles, offsets, SLOTS, _SEED)
        values = np.array(digests.to_rows(), np.uint32)
        end = self._count + len(having)
        self._slots[self._count : end] = (values * _MIXER) >> np.uint32(16)
        self._places[self._count : end] = places[having]
        self._sizes[self._count : end] = np.minimum(np.diff(offsets), len(_LEAST_SHARED) - 1)
        self._count = end

    def likely_pairs(self) -> Iterator[tuple[int, int]]:
        """Pairs of places that are likely to be alike."""
        slots = self._slots[: self._count]
        keys = slots.view(np.uint32)
        codes = np.empty(0, np.int64)
        for band in range(keys.shape[1]):
            # Most pairs are in many bands: all of them at once would take 100 MB.
            codes = np.union1d(codes, self._pairs_in_band(slots, np.ascontiguousarray(keys[:, band])))
        first, second = codes // max(1, self._count), codes % max(1, self._count)
        shared = _shared_slots(slots, first, second)
        best = self._best(first, second, np.argsort(-shared.astype(np.int16), kind="stable"))
        # In the order of the first text, which is then read once.
        best = best[np.lexsort((second[best], first[best]))]
        for start in range(0, len(best), _CHUNK):
            part = best[start : start + _CHUNK]
            yield from zip(self._places[first[part]].tolist(), self._places[second[part]].tolist(), strict=True)

    def _best(self, first: Places, second: Places, order: Places) -> Places:
        """A dozen pairs for each text, those that come first in this order."""
        told = bytearray(self._count)
        best = array("q")
        for start in range(0, len(order), _CHUNK):
            part = order[start : start + _CHUNK]
            for pair, one, other in zip(part.tolist(), first[part].tolist(), second[part].tolist(), strict=True):
                if told[one] < _PER_TEXT or told[other] < _PER_TEXT:
                    told[one] = min(told[one] + 1, _PER_TEXT)
                    told[other] = min(told[other] + 1, _PER_TEXT)
                    best.append(pair)
        return np.array(best, np.int64)

    def _pairs_in_band(self, slots: npt.NDArray[np.uint16], keys: npt.NDArray[np.uint32]) -> Pairs:
        """Texts with an equal key stand together once sorted, in their order."""
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        found = [np.empty(0, np.int64)]
        for shift in range(1, _NEIGHBOURS + 1):
            at = np.flatnonzero(ordered[:-shift] == ordered[shift:])
            if not len(at):
                break
            first, second = order[at], order[at + shift]
            least = _LEAST_SHARED[np.maximum(self._sizes[first], self._sizes[second])]
            alike = _shared_slots(slots, first, second) >= least
            found.append(first[alike] * self._count + second[alike])
        return np.concatenate(found)


def _shared_slots(slots: npt.NDArray[np.uint16], first: Places, second: Places) -> npt.NDArray[np.uint8]:
    """How many slots each pair has in common."""
    shared = np.empty(len(first), np.uint8)
    for start in range(0, len(first), _CHUNK):
        part = slice(start, start + _CHUNK)
        shared[part] = (slots[first[part]] == slots[second[part]]).sum(axis=1, dtype=np.uint8)
    return shared
