"""Whether a ladder climbs on, and which rung to keep."""

import pytest

from studio.budget.capping import Spent
from studio.ladders.climbing import Rung, cap_left, gain_of, next_move, quality_of, rung_to_keep
from studio.runs.spec_limits import Budget

LABELS = ("Prompt tuning", "LoRA, rank 8", "LoRA, rank 16")
FREE = Budget()
NOTHING = Spent()


def ladder(*losses: float | str | None, dollars: tuple[float | None, ...] = (1.0, 2.0, 5.0)) -> list[Rung]:
    """Rungs of 10, 20 and 50 minutes: a loss succeeded, a word is a status, and what is not given waits."""
    rungs = []
    for number, label in enumerate(LABELS):
        found = losses[number] if number < len(losses) else "waiting"
        spent = 600.0 * (1, 2, 5)[number]
        if isinstance(found, str):
            rungs.append(Rung(number, label, found))
        else:
            rungs.append(Rung(number, label, "succeeded", found, 3.0, spent, dollars[number]))
    return rungs


def test_the_first_rung_is_launched_first() -> None:
    move = next_move(ladder(), 0.02, FREE, NOTHING)

    assert move is not None and move.launch == 0


@pytest.mark.parametrize("status", ["queued", "starting", "running", "finalizing"])
def test_nothing_is_done_while_a_rung_is_under_way(status: str) -> None:
    assert next_move(ladder(2.0, status), 0.02, FREE, NOTHING) is None


def test_a_gain_that_is_worth_it_is_followed_by_the_next_rung() -> None:
    move = next_move(ladder(2.0, 1.9), 0.02, FREE, NOTHING)

    assert move is not None and move.launch == 2


def test_a_gain_that_is_not_worth_it_ends_the_climb_in_words() -> None:
    move = next_move(ladder(2.0, 1.99), 0.02, FREE, NOTHING)

    assert move is not None and (move.launch, move.state) == (None, "done")
    assert move.outcome == (
        "LoRA, rank 8 lowered the validation loss by 0.5 %, less than the 2 % that you asked for: "
        "climbing on is not worth it."
    )


def test_a_rung_that_is_worse_ends_the_climb() -> None:
    move = next_move(ladder(2.0, 2.2), 0.02, FREE, NOTHING)

    assert move is not None
    assert move.outcome == "LoRA, rank 8 did not lower the validation loss, so the ladder was not climbed further."


def test_a_rung_that_failed_is_left_out_and_named_at_the_end() -> None:
    assert next_move(ladder("failed"), 0.02, FREE, NOTHING).launch == 1  # type: ignore[union-attr]

    move = next_move(ladder("failed", 2.0, 1.5), 0.02, FREE, NOTHING)

    assert move is not None
    assert move.outcome == "The ladder was climbed to its top; Prompt tuning failed and was left out."
    assert next_move(ladder("failed", "failed", "failed"), 0.02, FREE, NOTHING).outcome == (  # type: ignore[union-attr]
        "No rung finished. See why on the page of each run."
    )


def test_a_rung_after_a_failed_one_is_compared_with_the_best_below() -> None:
    rungs = ladder(2.0, "failed", 1.8)

    assert gain_of(rungs, 2) == pytest.approx(0.1)
    assert gain_of(rungs, 0) is None and gain_of(rungs, 1) is None


def test_a_rung_that_a_person_cancelled_stops_the_ladder() -> None:
    move = next_move(ladder(2.0, "cancelled"), 0.02, FREE, NOTHING)

    assert move is not None and (move.launch, move.state) == (None, "stopped")
    assert move.outcome == "LoRA, rank 8 was cancelled, so the ladder was not climbed further."


def test_the_cap_is_that_of_the_whole_ladder() -> None:
    budget = Budget(max_dollars=10, max_hours=2)

    left = cap_left(budget, Spent(seconds=1800, dollars=4))

    assert left == Budget(max_dollars=6, max_hours=1.5)
    assert cap_left(budget, Spent(seconds=10, dollars=9.95)) is None
    assert cap_left(budget, Spent(seconds=7200)) is None
    assert cap_left(FREE, Spent(seconds=10**6, dollars=10**6)) == FREE


def test_a_cap_that_is_spent_ends_the_climb() -> None:
    move = next_move(ladder(2.0, 1.5), 0.02, Budget(max_dollars=3), Spent(seconds=1800, dollars=3.0))

    assert move is not None and move.state == "done"
    assert move.outcome == "The ladder's cap is spent, so LoRA, rank 16 was not launched."


def test_the_cheapest_rung_that_is_as_good_is_kept() -> None:
    keep = rung_to_keep(ladder(2.5, 1.01, 1.0), 0.02)

    assert keep is not None and keep.number == 1
    assert keep.sentence == "Keep LoRA, rank 8: 100 % of the best quality for 40 % of the money."


def test_quality_is_the_way_from_the_untrained_model_to_the_best_rung() -> None:
    rungs = ladder(2.0, 1.0, 1.5)

    assert [quality_of(rungs, number) for number in range(3)] == [0.5, 1.0, 0.75]


def test_a_rung_that_is_clearly_best_is_kept_whatever_it_cost() -> None:
    keep = rung_to_keep(ladder(2.0, 1.5, 1.0), 0.02)

    assert keep is not None
    assert keep.sentence == (
        "Keep LoRA, rank 16: its validation loss is 33 % below that of LoRA, rank 8, which took 40 % of the money."
    )


def test_a_best_rung_that_is_also_the_cheapest_is_kept_for_both() -> None:
    keep = rung_to_keep(ladder(2.0, 1.5, 1.0, dollars=(3.0, 2.0, 1.0)), 0.02)

    assert keep is not None
    assert keep.sentence == "Keep LoRA, rank 16: the lowest validation loss, and no rung took less."


def test_without_a_price_time_is_compared() -> None:
    keep = rung_to_keep(ladder(2.5, 1.01, 1.0, dollars=(1.0, None, 5.0)), 0.02)

    assert keep is not None
    assert keep.sentence == "Keep LoRA, rank 8: 100 % of the best quality for 40 % of the time."


def test_an_only_result_is_kept_and_said_to_be_the_only_one() -> None:
    assert rung_to_keep(ladder(), 0.02) is None
    assert rung_to_keep(ladder(2.0, "running"), 0.02).sentence == (  # type: ignore[union-attr]
        "Keep Prompt tuning: the only rung that finished."
    )


def test_rungs_that_all_made_it_worse_are_not_kept() -> None:
    keep = rung_to_keep(ladder(3.2, 3.1), 0.02)

    assert keep is not None and keep.number is None
    assert keep.sentence == "No rung is better than the untrained model: a good prompt for it costs nothing."
