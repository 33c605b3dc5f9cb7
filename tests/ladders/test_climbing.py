"""Whether a ladder climbs on, and which rung to keep."""

from dataclasses import replace

import pytest

from studio.budget.capping import Spent
from studio.ladders.climbing import cap_left, next_move, rung_to_keep
from studio.ladders.standing import Rung, gain_of, quality_of, worth_of
from studio.ladders.words import climbed_past, other_hardware
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
        "LoRA, rank 8 lowered the best validation loss by 0.5 % for $2.00 more, less than the 2 % that you asked for: "
        "climbing on is not worth it."
    )


@pytest.mark.parametrize(
    ("dollars", "cost"), [((1.0, 0.04, 5.0), "cost $0.04 more"), ((1.0, None, 5.0), "took 20 min more")]
)
def test_a_rung_that_is_worse_ends_the_climb(dollars: tuple[float | None, ...], cost: str) -> None:
    move = next_move(ladder(2.0, 2.2, dollars=dollars), 0.02, FREE, NOTHING)

    assert move is not None and move.state == "done"
    assert move.outcome == (
        f"LoRA, rank 8 did not lower the best validation loss and {cost}, so the ladder was not climbed further."
    )


@pytest.mark.parametrize("losses", [(2.9, 2.88), (2.9, 2.95), (3.2, 3.1), (2.56, 2.56)])
def test_while_nothing_has_been_learned_a_rung_without_gain_does_not_end_the_climb(losses: tuple[float, ...]) -> None:
    move = next_move(ladder(*losses), 0.02, FREE, NOTHING)

    assert move is not None and move.launch == 2


def test_what_was_learned_is_told_by_the_lowest_untrained_loss() -> None:
    rungs = ladder(2.9, 2.9)
    words_before_a_prompt = [replace(rungs[0], untrained=5.0), *rungs[1:]]
    unknown = [replace(rung, untrained=None) for rung in rungs]

    assert next_move(words_before_a_prompt, 0.02, FREE, NOTHING).launch == 2  # type: ignore[union-attr]
    assert next_move(unknown, 0.02, FREE, NOTHING).launch is None  # type: ignore[union-attr]


def test_a_ladder_says_why_it_climbed_on_without_a_gain() -> None:
    rungs = ladder(2.9, 2.88, "running")

    assert climbed_past(rungs, 0.02) == [
        "LoRA, rank 8 lowered the best validation loss by 0.7 % for $2.00 more. By then no rung was 15 % below the "
        "untrained model's loss, which says nothing about the next rung, so the ladder climbed on."
    ]
    assert climbed_past(ladder(2.9, 2.88, 1.0), 0.02) == climbed_past(rungs, 0.02)
    assert climbed_past(ladder(2.9, 2.88), 0.02) == climbed_past(ladder(2.0, 1.99, 1.98), 0.02) == []


def test_at_the_top_the_last_step_is_told_with_its_price() -> None:
    paid = next_move(ladder(2.0, 1.5, 1.0), 0.02, FREE, NOTHING)
    vain = next_move(ladder(2.9, 2.88, 2.88), 0.02, FREE, NOTHING)

    assert paid is not None and paid.outcome == (
        "The ladder was climbed to its top, and each gain was worth it. LoRA, rank 16 lowered the best validation loss "
        "by 33 % for $5.00 more."
    )
    assert vain is not None and vain.outcome == (
        "The ladder was climbed to its top. LoRA, rank 16 did not lower the best validation loss and cost $5.00 more. "
        "The best rung is only 4.0 % below the untrained model's loss: look at the rows, the learning rate and the "
        "number of epochs before you pay for more."
    )


def test_a_rung_that_failed_is_left_out_and_named_at_the_end() -> None:
    assert next_move(ladder("failed"), 0.02, FREE, NOTHING).launch == 1  # type: ignore[union-attr]

    move = next_move(ladder("failed", 2.0, 1.5), 0.02, FREE, NOTHING)

    assert move is not None
    assert move.outcome.startswith("The ladder was climbed to its top; Prompt tuning failed and was left out. LoRA,")
    assert next_move(ladder("failed", "failed", "failed"), 0.02, FREE, NOTHING).outcome == (  # type: ignore[union-attr]
        "No rung finished. See why on the page of each run."
    )


def test_a_rung_after_a_failed_one_is_compared_with_the_best_below() -> None:
    rungs = ladder(2.0, "failed", 1.8)

    assert gain_of(rungs, 2) == pytest.approx(0.1)
    assert gain_of(rungs, 1) is None


def test_a_gain_is_against_the_untrained_model_where_nothing_better_is_there() -> None:
    rungs = ladder(3.3, 2.4, "running")

    assert [gain_of(rungs, number) for number in range(3)] == [pytest.approx(-0.1), pytest.approx(0.2), None]
    assert gain_of([replace(rungs[0], untrained=None)], 0) is None


def test_the_worth_of_a_rung_is_its_gain_for_what_it_took_alone() -> None:
    rungs = ladder(2.4, 1.2, "failed", dollars=(None, 2.0, None))

    worths = [worth_of(rungs, number) for number in range(3)]

    assert [worth.per_dollar for worth in worths] == [None, pytest.approx(0.25), None]
    assert [worth.per_hour for worth in worths] == [pytest.approx(1.2), pytest.approx(1.5), None]


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
    assert move.outcome == (
        "LoRA, rank 8 lowered the best validation loss by 25 % for $2.00 more. The ladder's cap is spent, so LoRA, "
        "rank 16 was not launched."
    )


def test_the_cheapest_rung_that_is_as_good_is_kept() -> None:
    keep = rung_to_keep(ladder(2.5, 1.01, 1.0), 0.02)

    assert keep is not None and keep.number == 1
    assert keep.sentence == "Keep LoRA, rank 8: about as good as LoRA, rank 16, for $2.00 instead of $5.00."


@pytest.mark.parametrize(
    ("dollars", "cost"), [((1.0, 2.0, 2.001), "at about the same price"), (None, "in about the same time")]
)
def test_amounts_that_read_the_same_are_not_set_against_each_other(
    dollars: tuple[float, ...] | None, cost: str
) -> None:
    rungs = ladder(2.5, 1.0, 0.999, dollars=dollars or (None, None, None))
    rungs[2] = replace(rungs[2], seconds=rungs[1].seconds + 5)

    keep = rung_to_keep(rungs, 0.02)

    assert keep is not None and keep.sentence == f"Keep LoRA, rank 8: about as good as LoRA, rank 16, {cost}."


def test_a_rung_that_the_untrained_model_matches_is_not_as_good_as_one_that_learned_a_little() -> None:
    keep = rung_to_keep(ladder(3.01, 2.97), 0.02)

    assert keep is not None and keep.number == 1


def test_quality_is_the_way_from_the_untrained_model_to_the_best_rung() -> None:
    rungs = ladder(2.0, 1.0, 1.5)

    assert [quality_of(rungs, number) for number in range(3)] == [0.5, 1.0, 0.75]


def test_a_rung_that_is_clearly_best_is_kept_whatever_it_cost() -> None:
    keep = rung_to_keep(ladder(2.0, 1.5, 1.0), 0.02)

    assert keep is not None
    assert keep.sentence == (
        "Keep LoRA, rank 16: for $5.00 its validation loss is 33 % below what LoRA, rank 8 reached for $2.00."
    )


def test_a_best_rung_that_is_also_the_cheapest_is_kept_for_both() -> None:
    keep = rung_to_keep(ladder(2.0, 1.5, 1.0, dollars=(3.0, 2.0, 1.0)), 0.02)

    assert keep is not None
    assert keep.sentence == "Keep LoRA, rank 16: the lowest validation loss, and no rung cost less."


def test_without_a_price_time_is_compared() -> None:
    keep = rung_to_keep(ladder(2.5, 1.01, 1.0, dollars=(1.0, None, 5.0)), 0.02)
    best = rung_to_keep(ladder(2.0, 1.5, 1.0, dollars=(1.0, None, 5.0)), 0.02)

    assert keep is not None and best is not None
    assert keep.sentence == "Keep LoRA, rank 8: about as good as LoRA, rank 16, in 20 min instead of 50 min."
    assert best.sentence == (
        "Keep LoRA, rank 16: in 50 min its validation loss is 33 % below what LoRA, rank 8 reached in 20 min."
    )


def test_an_only_result_is_kept_and_said_to_be_the_only_one() -> None:
    assert rung_to_keep(ladder(), 0.02) is None
    assert rung_to_keep(ladder(2.0, "running"), 0.02).sentence == (  # type: ignore[union-attr]
        "Keep Prompt tuning: the only rung that finished."
    )


def test_rungs_that_all_made_it_worse_are_not_kept() -> None:
    keep = rung_to_keep(ladder(3.2, 3.1), 0.02)

    assert keep is not None and keep.number is None
    assert keep.sentence == "No rung is better than the untrained model: a good prompt for it costs nothing."


def test_other_hardware_than_the_chosen_one_is_named() -> None:
    assert other_hardware("L4", {}, {}) == []
    assert other_hardware("L4", {"IA3": "CPU"}, {"Full": "CPU", "IA3": "T4", "LoRA, rank 8": "CPU"}) == [
        "Estimated for CPU, since no worker had L4 at their launch: IA3.",
        "Trained on CPU and not on L4, since the first free worker takes a rung: Full; LoRA, rank 8.",
        "Trained on T4 and not on L4, since the first free worker takes a rung: IA3.",
    ]
