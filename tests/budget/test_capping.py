"""What is left of a cap, in seconds of the hardware that an attempt holds."""

import pytest

from studio.budget.capping import Cap, Spent, cap_of, words_of_cap
from studio.runs.spec_limits import Budget


@pytest.mark.parametrize(
    ("budget", "price", "left"),
    [
        (Budget(), 2.0, None),
        (Budget(max_hours=1.5), None, Cap(5400.0, "max_hours")),
        (Budget(max_dollars=1.0), 2.0, Cap(1800.0, "max_dollars")),
        (Budget(max_hours=1.0, max_dollars=1.0), 2.0, Cap(1800.0, "max_dollars")),
        (Budget(max_hours=0.25, max_dollars=1.0), 2.0, Cap(900.0, "max_hours")),
        (Budget(max_dollars=1.0), None, None),
    ],
)
def test_the_nearer_limit_counts(budget: Budget, price: float | None, left: Cap | None) -> None:
    assert cap_of(budget, Spent(), price) == left


def test_what_earlier_attempts_cost_is_taken_off_at_their_own_price() -> None:
    spent = Spent(seconds=7200.0, dollars=3.0)

    assert cap_of(Budget(max_dollars=4.0), spent, 2.0) == Cap(1800.0, "max_dollars")
    assert cap_of(Budget(max_hours=1.0), spent, 2.0) == Cap(-3600.0, "max_hours")


def test_time_without_a_price_counts_at_the_present_one() -> None:
    spent = Spent(seconds=1800.0, dollars=None, unpriced_seconds=1800.0)

    assert cap_of(Budget(max_dollars=2.0), spent, 2.0) == Cap(1800.0, "max_dollars")


def test_a_limit_reads_as_it_was_set() -> None:
    assert words_of_cap(Budget(max_dollars=2.5), "max_dollars") == "$2.50"
    assert words_of_cap(Budget(max_dollars=1250), "max_dollars") == "$1,250.00"
    assert words_of_cap(Budget(max_dollars=0.0042), "max_dollars") == "$0.0042"
    assert words_of_cap(Budget(max_dollars=0.00001), "max_dollars") == "$0.00001"
    assert words_of_cap(Budget(max_hours=1.5), "max_hours") == "1.5 h"
