"""Skeletons of texts: the words that say something, in order, as one number; and texts that differ in one such word."""

from array import array
from collections.abc import Iterator

import numpy as np

from studio.checks.likeness import LIGHT
from studio.checks.words import Numbers, Places, hashed_words

# With fewer words, a text is too short to be nearly another one.
_LEAST_WORDS = 4
# Sketches find the longer ones.
_SHORT_WORDS = 16
# More texts with one gap in common are made from a template, and the gap is its slot.
_SHARE_A_GAP = 6
_KEY = np.uint64(0xFFFFFFFF_00000000)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_LIGHT_HASHES = np.sort(hashed_words([" ".join(sorted(LIGHT))])[0])


class Gaps:
    """For each short text one number for each word: half a hash of the text with a gap in its place, half the place.

    Eight bytes a word. A few thousand texts of a million share half a hash by chance; they are compared for nothing.
    """

    def __init__(self) -> None:
        self._gaps = array("Q")

    def add(self, words: Numbers, owners: Places, places: Places) -> Numbers:
        """The skeletons of the texts at `places`; 0 where the words are too few. `owners` index into `places`."""
        weighty = ~np.isin(words, _LIGHT_HASHES)
        words, owners = words[weighty], owners[weighty]
        sizes = np.bincount(owners, minlength=len(places))
        starts = np.cumsum(sizes) - sizes
        at = (np.arange(len(words)) - starts[owners]).astype(np.uint64) * _STEP
        mixed = _mixed(words ^ at)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
        skeletons: Numbers = sums[starts + sizes] - sums[starts]
        short = (sizes >= _LEAST_WORDS) & (sizes <= _SHORT_WORDS)
        gaps = short[owners]
        keys = _mixed((skeletons[owners] - mixed + at)[gaps])
        self._gaps.frombytes(((keys & _KEY) | places[owners[gaps]].astype(np.uint64)).tobytes())
        skeletons[sizes < _LEAST_WORDS] = 0
        return skeletons

    def likely_pairs(self) -> Iterator[tuple[int, int]]:
        """Places of texts that differ in one word, which few other texts fill differently."""
        held, self._gaps = self._gaps, array("Q")
        if not held:
            return
        gaps = np.frombuffer(held, np.uint64)
        gaps.sort()
        # Where the next one has the same gap; several of them in a row are one group.
        equal = np.flatnonzero((gaps[1:] ^ gaps[:-1]) <= ~_KEY)
        groups = np.split(equal, np.flatnonzero(np.diff(equal) > 1) + 1)
        for start, size in ((int(group[0]), len(group) + 1) for group in groups if 0 < len(group) < _SHARE_A_GAP):
            first, *others = (gaps[start : start + size] & ~_KEY).tolist()
            yield from ((first, other) for other in others)


def _mixed(numbers: Numbers) -> Numbers:
    numbers = numbers * _STEP
    numbers ^= numbers >> np.uint64(29)
    numbers *= _STEP
    return numbers ^ (numbers >> np.uint64(32))
