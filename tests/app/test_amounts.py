"""Amounts are said with the digits that are known, and in the unit that suits them."""

import pytest

from app.amounts import dollars, dollars_between, gib, hourly, short_count, short_memory, time_between


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.4, 0.6, "$0.40 to $0.60"),
        (0.123, 0.1234, "about $0.12"),
        (9.94, 12.3, "$9.90 to $12"),
        (1234, 2345, "$1,200 to $2,300"),
        (0.0064, 0.0271, "$0.0064 to $0.027"),
        (0.00001, 0.02, "up to $0.02"),
        (0.00001, 0.00002, "under $0.0001"),
    ],
)
def test_estimated_money_has_two_digits(low: float, high: float, words: str) -> None:
    assert dollars_between(low, high) == words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (20, 45, "20 to 45 s"),
        (57, 220, "57 s to 3.7 min"),
        (180, 320, "3 to 5.3 min"),
        (35 * 60, 55.4 * 60, "35 to 55 min"),
        (4000, 7200, "1.1 to 2 h"),
        (30 * 3600, 70 * 3600, "1.2 to 2.9 days"),
        (60 * 40, 60 * 40.1, "about 40 min"),
    ],
)
def test_estimated_time_has_two_digits_in_units_that_suit_it(low: float, high: float, words: str) -> None:
    assert time_between(low, high) == words


def test_what_was_paid_is_said_to_the_cent_and_below_ten_in_two_digits() -> None:
    assert [dollars(value) for value in (3.1, 0.0996, 0.00612, 12_345.6)] == ["$3.10", "$0.10", "$0.0061", "$12,346"]
    assert [dollars(value) for value in (0, 0.00001, None)] == ["$0.00", "under $0.0001", "–"]
    assert [hourly(value) for value in (2.69, 0.0432)] == ["$2.69 an hour", "$0.043 an hour"]


def test_memory_and_counts_are_short() -> None:
    assert [gib(value * 2**30) for value in (0.853, 9.44, 17.3, 1234)] == ["0.85", "9.4", "17", "1,200"]
    assert [short_memory(value * 2**20) for value in (38.9, 9626)] == ["39 MiB", "9.4 GiB"]
    assert [short_count(value) for value in (950, 12_345, 1_710_000, 999_600_000)] == ["950", "12.3 k", "1.71 M", "1 B"]
