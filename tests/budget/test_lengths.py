"""What rows come to in tokens."""

import random

import pytest

from studio.budget.lengths import (
    MEASURED,
    MeasuredRows,
    counted_lengths,
    guessed_lengths,
    measured_lengths,
    mixed_lengths,
)


def test_the_padded_length_is_the_mean_of_the_longest_of_each_batch() -> None:
    drawn = random.Random(7)
    rows = [min(300, round(drawn.lognormvariate(4, 0.6))) for _ in range(4000)]
    lengths = counted_lengths([(tokens, tokens, rows.count(tokens)) for tokens in sorted(set(rows))], 0.5)

    drawn.shuffle(rows)
    batches = [max(rows[start : start + 8]) for start in range(0, 4000, 8)]

    assert lengths.padded(8, 10_000) == pytest.approx(sum(batches) / len(batches), rel=0.03)
    assert lengths.padded(1, 10_000) == pytest.approx(sum(rows) / len(rows))
    assert lengths.padded(8, 100) <= 100


def test_cut_rows_are_counted_and_shorten_the_mean() -> None:
    lengths = counted_lengths([(10, 10, 3), (90, 90, 1)], 0.5)

    assert lengths.mean(1000) == 30 and lengths.mean(50) == 20
    assert lengths.share_cut(50) == 0.25 and lengths.share_cut(90) == 0
    assert lengths.longest == 90


def test_a_guess_keeps_the_mean_and_the_longest_row_that_characters_tell() -> None:
    lengths = guessed_lengths(1000, mean_characters=800, longest_characters=6000, turns=2, vocabulary=131_072)

    assert not lengths.are_counted
    assert lengths.mean(10**6) == pytest.approx(800 / 4.2 + 10, rel=0.1)
    assert lengths.longest == pytest.approx(6000 / 4.2 + 10, rel=0.02)


@pytest.mark.parametrize(("rows", "mean", "longest"), [(1, 0, 0), (2, 5, 5), (10**7, 10, 10**6), (100, 1000, 10)])
def test_a_guess_is_a_number_whatever_the_facts_say(rows: int, mean: float, longest: float) -> None:
    lengths = guessed_lengths(rows, mean, longest, turns=0, vocabulary=None)

    assert 0 < lengths.mean(1024) <= lengths.padded(64, 1024) * 1.000001 <= 1025


def test_rows_of_a_mix_count_by_their_share() -> None:
    short, long = counted_lengths([(10, 10, 5)], 0.2), counted_lengths([(100, 100, 1)], 0.8)

    mixed = mixed_lengths([(short, 300), (long, 100)])

    assert mixed.mean(1000) == pytest.approx(32.5)
    assert mixed.answers == pytest.approx(0.35) and mixed.are_counted


@pytest.mark.parametrize(("mean", "longest"), [(40.0, 900), (310.5, 512), (512.0, 512), (1.0, 1), (31.0, 9_000)])
def test_a_measured_mean_takes_the_place_of_the_guessed_one(mean: float, longest: int) -> None:
    guess = guessed_lengths(1000, mean_characters=800, longest_characters=6000, turns=2, vocabulary=131_072)

    found = measured_lengths(guess, MeasuredRows(mean, longest, are_whole=True, are_the_same=True, answers=0.3))

    assert found.mean(10**6) == pytest.approx(mean, rel=0.02)
    assert found.longest == longest and found.is_bounded and not found.are_counted
    assert found.answers == 0.3 and found.source == MEASURED and found.spread < guess.spread / 5


def test_rows_that_were_cut_are_longer_than_was_measured() -> None:
    guess = guessed_lengths(1000, mean_characters=800, longest_characters=6000, turns=2, vocabulary=131_072)

    found = measured_lengths(guess, MeasuredRows(180.0, 256, are_whole=False, are_the_same=True, answers=None))

    assert found.mean(256) == pytest.approx(180, rel=0.001)
    assert found.longest > 256 and not found.is_bounded and 0.2 < found.share_cut(256) < 0.8
    assert found.answers == guess.answers
