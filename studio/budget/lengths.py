"""How long the rows of a run are in tokens: counted by the base model's tokenizer, or guessed from characters. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

COUNTED = "The tokens of this dataset were counted."
GUESSED = "The length of rows is guessed from their characters; count the tokens for a closer estimate."
# What a chat template writes around a turn: roles, marks and line ends.
_TOKENS_OF_A_TURN = 5
_BUCKETS = 48
_WIDEST = 1.4
# A guess of tokens from characters is seldom off by more, for languages written with spaces.
_GUESS_SPREAD = 0.35


@dataclass(frozen=True)
class Lengths:
    """Rows by length: (tokens, rows) in rising order, uncut; `answers` is the share of tokens that is learned.

    `spread` is the standard deviation of the logarithm of the error, 0 where tokens were counted.
    """

    bars: tuple[tuple[float, float], ...]
    answers: float
    spread: float
    source: str

    @property
    def are_counted(self) -> bool:
        """Whether a tokenizer has counted them."""
        return self.spread == 0

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return math.ceil(self.bars[-1][0])

    def mean(self, max_length: int) -> float:
        """Tokens of a row on average, cut at the longest that is allowed."""
        return sum(min(tokens, max_length) * rows for tokens, rows in self.bars) / self._rows

    def padded(self, batch_size: int, max_length: int) -> float:
        """Tokens of each row of a batch once all are padded to its longest: the mean of the longest of so many."""
        expected, within, before = 0.0, 0.0, 0.0
        for tokens, rows in self.bars:
            within += rows
            share: float = (within / self._rows) ** batch_size
            expected += min(tokens, max_length) * (share - before)
            before = share
        return expected

    def share_cut(self, max_length: int) -> float:
        """The share of rows that lose their end."""
        return sum(rows for tokens, rows in self.bars if tokens > max_length) / self._rows

    @cached_property
    def _rows(self) -> float:
        return sum(rows for _, rows in self.bars)


def counted_lengths(bars: Sequence[tuple[int, int, int]], answers: float) -> Lengths:
    """From a histogram: so many rows (third) have from the first to the second number of tokens."""
    found = tuple(((first + last) / 2, float(rows)) for first, last, rows in bars if rows)
    return Lengths(found or ((1.0, 1.0),), answers, 0.0, COUNTED)


def guessed_lengths(
    rows: int, mean_characters: float, longest_characters: float, turns: float, vocabulary: int | None
) -> Lengths:
    """A log-normal guess between the mean and the longest row; `turns` is how many an average row has."""
    characters = _characters_per_token(vocabulary)
    extra = _TOKENS_OF_A_TURN * turns
    mean = max(1.0, mean_characters) / characters + extra
    longest = max(mean, longest_characters / characters + extra)
    width = _width(rows, longest / mean)
    lowest = math.log(mean) - width**2 / 2
    normal = NormalDist()
    middles = ((place + 0.5) / _BUCKETS for place in range(_BUCKETS))
    bars = tuple((min(longest, math.exp(lowest + width * normal.inv_cdf(share))), rows / _BUCKETS) for share in middles)
    # About half of a conversation is answers.
    return Lengths((*bars[:-1], (max(longest, bars[-2][0]), 1.0)), 0.5, _GUESS_SPREAD, GUESSED)


def mixed_lengths(parts: Sequence[tuple[Lengths, int]]) -> Lengths:
    """Rows of several datasets in one run, so many of each."""
    if len(parts) == 1:
        return parts[0][0]
    total = sum(rows for _, rows in parts) or 1
    bars: list[tuple[float, float]] = []
    for lengths, rows in parts:
        own = sum(count for _, count in lengths.bars)
        bars += [(tokens, count * rows / own) for tokens, count in lengths.bars]
    widest = max((lengths for lengths, _ in parts), key=lambda lengths: lengths.spread)
    answers = sum(lengths.answers * rows for lengths, rows in parts) / total
    return Lengths(tuple(sorted(bars)), answers, widest.spread, widest.source)


def _characters_per_token(vocabulary: int | None) -> float:
    """Of English text: 2.4 for a vocabulary of 2,048 tokens, 3.6 for 32,768, 4.2 for 131,072."""
    return 2.4 + 0.3 * (math.log2(min(262_144, max(512, vocabulary or 65_536))) - 11)


def _width(rows: int, ratio: float) -> float:
    """The width of the log-normal distribution whose longest of so many rows is `ratio` times its mean."""
    far = NormalDist().inv_cdf(1 - 1 / max(3, rows + 1))
    inner = far**2 - 2 * math.log(max(1.0, ratio))
    return min(_WIDEST, far - math.sqrt(inner)) if inner > 0 else _WIDEST
