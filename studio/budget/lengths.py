"""How long the rows of a run are in tokens: counted by the base model's tokenizer, or guessed from characters. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

COUNTED = "The tokens of this dataset were counted."
MEASURED = "The mean length was measured by an earlier run of this dataset."
GUESSED = "The length of rows is guessed from their characters; count the tokens for a closer estimate."
# What a chat template writes around a turn: roles, marks and line ends.
_TOKENS_OF_A_TURN = 5
_BUCKETS = 48
_WIDEST = 1.4
# A guess of tokens from characters is seldom off by more, for languages written with spaces.
_GUESS_SPREAD = 0.35
# With the mean known, the shape of the distribution stays a guess: what batches are padded to is off by less than this.
_MEASURED_SPREAD = 0.05
_HALVINGS = 40


@dataclass(frozen=True)
class Lengths:
    """Rows by length: (tokens, rows) in rising order, uncut; `answers` is the share of tokens that is learned.

    `spread` is the standard deviation of the logarithm of the error, 0 where tokens were counted; `is_bounded` says
    whether no row is longer than the longest of these, for a guess bounds nothing.
    """

    bars: tuple[tuple[float, float], ...]
    answers: float
    spread: float
    source: str
    is_bounded: bool = False

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
        return sum(min(tokens, max_length) * rows for tokens, rows in self.bars) / self.row_count

    def padded(self, batch_size: int, max_length: int) -> float:
        """Tokens of each row of a batch once all are padded to its longest: the mean of the longest of so many."""
        expected, within, before = 0.0, 0.0, 0.0
        for tokens, rows in self.bars:
            within += rows
            share: float = (within / self.row_count) ** batch_size
            expected += min(tokens, max_length) * (share - before)
            before = share
        return expected

    def share_cut(self, max_length: int) -> float:
        """The share of rows that lose their end."""
        return sum(rows for tokens, rows in self.bars if tokens > max_length) / self.row_count

    @cached_property
    def row_count(self) -> float:
        """All rows."""
        return sum(rows for _, rows in self.bars)


@dataclass(frozen=True, slots=True)
class MeasuredRows:
    """What a run has told of the rows that it trained on, in tokens: their mean, cut as it cut them, and the longest.

    `are_whole`: none was cut. `are_the_same`: the rows in question are these very rows. `answers` is None where the run
    learned of something else.
    """

    mean: float
    longest: int
    are_whole: bool
    are_the_same: bool
    answers: float | None


def counted_lengths(bars: Sequence[tuple[int, int, int]], answers: float) -> Lengths:
    """From a histogram: so many rows (third) have from the first to the second number of tokens."""
    found = tuple(((first + last) / 2, float(rows)) for first, last, rows in bars if rows)
    return Lengths(found or ((1.0, 1.0),), answers, 0.0, COUNTED, is_bounded=True)


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


def measured_lengths(guess: Lengths, measured: MeasuredRows) -> Lengths:
    """A guess that is stretched until its mean is the measured one; for rows cut where those were, or sooner."""
    goal = measured.mean * guess.row_count
    low, high = measured.mean / guess.bars[-1][0], measured.longest / guess.bars[0][0]
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        total = sum(min(tokens, measured.longest) * rows for tokens, rows in _stretched(guess, measured, middle))
        low, high = (middle, high) if total < goal else (low, middle)
    answers = guess.answers if measured.answers is None else measured.answers
    is_bounded = measured.are_whole and measured.are_the_same
    return Lengths(_stretched(guess, measured, low), answers, _MEASURED_SPREAD, MEASURED, is_bounded)


def _stretched(guess: Lengths, measured: MeasuredRows, factor: float) -> tuple[tuple[float, float], ...]:
    """Where no row was cut, the longest is as long as it was measured."""
    if not measured.are_whole:
        return tuple((tokens * factor, rows) for tokens, rows in guess.bars)
    longest = float(measured.longest)
    return (*((min(tokens * factor, longest), rows) for tokens, rows in guess.bars[:-1]), (longest, guess.bars[-1][1]))


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
    bounded = all(lengths.is_bounded for lengths, _ in parts)
    return Lengths(tuple(sorted(bars)), answers, widest.spread, widest.source, bounded)


def _characters_per_token(vocabulary: int | None) -> float:
    """Of English text: 2.4 for a vocabulary of 2,048 tokens, 3.6 for 32,768, 4.2 for 131,072."""
    return 2.4 + 0.3 * (math.log2(min(262_144, max(512, vocabulary or 65_536))) - 11)


def _width(rows: int, ratio: float) -> float:
    """The width of the log-normal distribution whose longest of so many rows is `ratio` times its mean."""
    far = NormalDist().inv_cdf(1 - 1 / max(3, rows + 1))
    inner = far**2 - 2 * math.log(max(1.0, ratio))
    return min(_WIDEST, far - math.sqrt(inner)) if inner > 0 else _WIDEST
