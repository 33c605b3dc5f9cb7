"""Words of many texts at once, as 64-bit numbers: text becomes an array of code points, and no word becomes an object.

The hash of a word is a polynomial of its code points modulo 2**64, taken from prefix sums; that of a shingle mixes the
hashes of three words that follow each other.
"""

import re
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
SHINGLE_WORDS = 3
# Texts beyond this are compared by their beginning.
TEXT_CHARACTERS = 50_000
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(0xD6E8FEB86659FD93))
_CODES = 0x11_0000
_IGNORED, _LETTER, _SINGLE, _MARK, _JOINT = range(5)
_PUNCTUATION = ".,;:!?'\"`…()-–—‘’“”«»。、，！？：；（）「」"
# Scripts without spaces between words: each sign is a word.
_SIGNS = ((0x0E00, 0x0E7F), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
_SIGN = "".join(f"{chr(first)}-{chr(last)}" for first, last in _SIGNS)
# A mark before a digit is a word: 0.5 is not 5, and -5 is not either.
_WORD = re.compile(rf"[{_SIGN}]|[^\W_{_SIGN}]+(?:'[^\W_{_SIGN}]+)*|[-.,:](?=[0-9])|[^\w\s{re.escape(_PUNCTUATION)}]|_")


def words_of(text: str) -> list[str]:
    """The same words as strings; punctuation is left out, other symbols are words."""
    return _WORD.findall(text[:TEXT_CHARACTERS])


def hashed_words(texts: Sequence[str]) -> tuple[Numbers, Places]:
    """One hash for each word of all texts, and the place of its text in `texts`."""
    cut = [text[:TEXT_CHARACTERS] for text in texts]
    lengths = np.fromiter((len(text) + 1 for text in cut), np.int64, len(cut))
    joined = "\n".join(cut) + "\n"
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds = _kinds()[codes]
    marks = np.flatnonzero(kinds == _MARK)
    # The last code point is the line feed that was added.
    kinds[marks] = np.where((codes[marks + 1] >= ord("0")) & (codes[marks + 1] <= ord("9")), _SINGLE, _IGNORED)
    joints = np.flatnonzero(kinds == _JOINT)
    kinds[joints] = np.where((kinds[joints - 1] == _LETTER) & (kinds[joints + 1] == _LETTER), _LETTER, _IGNORED)
    before, after = np.empty_like(kinds), np.empty_like(kinds)
    before[0], before[1:] = _IGNORED, kinds[:-1]
    after[-1], after[:-1] = _IGNORED, kinds[1:]
    inside = kinds == _LETTER
    single = kinds == _SINGLE
    starts = np.flatnonzero((inside & (before != _LETTER)) | single)
    ends = np.flatnonzero((inside & (after != _LETTER)) | single) + 1
    hashes = _substring_hashes(codes, starts, ends)
    return hashes, np.searchsorted(np.cumsum(lengths), starts, side="right")


def shingles(words: Numbers, owners: Places) -> tuple[Numbers, Places]:
    """Hashes of three words in a row, and to which owner each belongs."""
    if len(words) < SHINGLE_WORDS:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    last = len(words) - SHINGLE_WORDS + 1
    mixed = np.zeros(last, np.uint64)
    for place, mixer in enumerate(_MIXERS):
        mixed += words[place : place + last] * mixer
        mixed ^= mixed >> np.uint64(29)
    whole = owners[:last] == owners[SHINGLE_WORDS - 1 :]
    return mixed[whole], owners[:last][whole]


@cache
def _kinds() -> npt.NDArray[np.uint8]:
    """What each code point is; by the planes above the first only signs and letters are words."""
    kinds = np.full(_CODES, _SINGLE, np.uint8)
    for code in range(0x10000):
        character = chr(code)
        if character.isspace() or character in _PUNCTUATION or 0xD800 <= code < 0xE000:
            kinds[code] = _IGNORED
        elif character.isalnum():
            kinds[code] = _LETTER
    for first, last in _SIGNS:
        kinds[first : last + 1] = _SINGLE
    kinds[[ord(mark) for mark in "-.,:"]] = _MARK
    kinds[ord("'")] = _JOINT
    return kinds


def _substring_hashes(codes: npt.NDArray[np.uint32], starts: Places, ends: Places) -> Numbers:
    powers, inverses = _powers(len(codes) + 1)
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(codes.astype(np.uint64) * powers[: len(codes)], out=sums[1:])
    hashes = (sums[ends] - sums[starts]) * inverses[starts]
    hashes ^= hashes >> np.uint64(31)
    return hashes * _MIXERS[0]


def _powers(count: int) -> tuple[Numbers, Numbers]:
    """Powers of the base, which is odd, and of its inverse."""
    return _powers_of_size(1 << max(16, (count - 1).bit_length()))


@lru_cache(maxsize=1)
def _powers_of_size(size: int) -> tuple[Numbers, Numbers]:
    return _series(_BASE, size), _series(np.uint64(pow(int(_BASE), -1, 1 << 64)), size)


def _series(base: np.uint64, size: int) -> Numbers:
    series = np.full(size, base, np.uint64)
    series[0] = 1
    return np.cumprod(series)
