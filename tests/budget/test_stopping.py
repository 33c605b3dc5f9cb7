"""Early stopping looks at validation losses by step, and at nothing else."""

import math

import pytest

from studio.budget.stopping import Plateau, Stopping

USUAL = Stopping(patience=3, min_delta=0.001, warmup=2)


def _at_tens(*losses: float) -> list[tuple[int, float]]:
    return [(10 * number, loss) for number, loss in enumerate(losses)]


def test_three_validations_without_a_gain_end_the_run() -> None:
    found = USUAL.look(_at_tens(3.0, 2.0, 1.5, 1.6, 1.5, 1.4995))

    assert found == Plateau(step=50, best_step=20, best_loss=1.5, validations=3)


def test_a_gain_begins_the_count_anew() -> None:
    assert USUAL.look(_at_tens(3.0, 2.0, 2.1, 2.1, 1.9, 2.0, 2.0)) is None


def test_small_gains_add_up() -> None:
    assert USUAL.look(_at_tens(3.0, *[2.0 - 0.0006 * number for number in range(20)])) is None


def test_the_untrained_model_does_not_count() -> None:
    # An untrained model that is better than all that follows would else end every run at its third validation.
    found = USUAL.look(_at_tens(0.1, 2.0, 1.0, 0.9, 0.8, 0.7))

    assert found is None


def test_the_first_validations_never_end_a_run() -> None:
    losses = _at_tens(3.0, 1.0, 1.1, 1.1, 1.1)

    assert Stopping(1, 0.001, warmup=3).look(losses) == Plateau(40, 10, 1.0, 3)
    assert Stopping(1, 0.001, warmup=4).look(losses) is None


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_no_number_is_no_gain(wrong: float) -> None:
    assert USUAL.look(_at_tens(3.0, 2.0, wrong, wrong, wrong)) == Plateau(40, 10, 2.0, 3)
    assert USUAL.look(_at_tens(3.0, wrong, wrong, 2.0, 1.9)) is None


def test_no_patience_never_ends_a_run() -> None:
    assert Stopping(0, 0.001, 0).look(_at_tens(*[1.0] * 50)) is None


def test_the_same_losses_give_the_same_end_however_they_were_cut() -> None:
    losses = _at_tens(3.0, 2.0, 1.5, 1.6, 1.5, 1.6, 1.2)

    ends = {USUAL.look(losses[:cut]) for cut in range(6, 8)}

    assert ends == {Plateau(50, 20, 1.5, 3)}


def test_the_reason_is_a_sentence_with_its_numbers() -> None:
    plateau = Plateau(step=420, best_step=300, best_loss=1.23456, validations=3)

    assert plateau.sentence(1000, 0.001) == (
        "Stopped early at step 420 of 1,000: the validation loss was 1.2346 at step 300, and 3 more validations "
        "brought no gain of 0.001."
    )
