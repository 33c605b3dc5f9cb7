"""Skeletons of texts: the words that say something, in order, as one number; and texts that differ in one such word."""

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
_STEP = np.uint64(0x9E3779B97F4A7C15)
_LIGHT_HASHES = np.sort(hashed_words([" ".join(sorted(LIGHT))])[0])


class Gaps:
    """For each short text one number for each word: the text with a gap in its place."""

    def __init__(self) -> None:
        self._keys: list[Numbers] = []
        self._places: list[Places] = []

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
        self._keys.append(_mixed((skeletons[owners] - mixed + at)[gaps]))
        self._places.append(places[owners[gaps]].astype(np.int32))
        skeletons[sizes < _LEAST_WORDS] = 0
        return skeletons

    def likely_pairs(self) -> Iterator[tuple[int, int]]:
        """Places of texts that differ in one word, which few other texts fill differently."""
        keys = np.concatenate(self._keys) if self._keys else np.empty(0, np.uint64)
        places = np.concatenate(self._places) if self._places else np.empty(0, np.int32)
        self._keys, self._places = [], []
        order = np.argsort(keys, kind="stable")
        keys, places = keys[order], places[order]
        starts = np.flatnonzero(np.concatenate([keys[:1] == keys[:1], keys[1:] != keys[:-1]]))
        sizes = np.diff(np.append(starts, len(keys)))
        few = (sizes > 1) & (sizes <= _SHARE_A_GAP)
        for start, size in zip(starts[few].tolist(), sizes[few].tolist(), strict=True):
            first, *others = places[start : start + size].tolist()
            yield from ((first, other) for other in others)


def _mixed(numbers: Numbers) -> Numbers:
    numbers = numbers * _STEP
    numbers ^= numbers >> np.uint64(29)
    numbers *= _STEP
    return numbers ^ (numbers >> np.uint64(32))
