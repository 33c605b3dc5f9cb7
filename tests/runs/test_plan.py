"""The arithmetic of a plan, written out."""

import pytest

from studio.runs import make_plan, validate_spec

DATA = {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64}


def _spec(**parts: object) -> object:
    return validate_spec({"data": {**DATA, **parts.pop("data", {})}, **parts})  # type: ignore[dict-item]


def test_rows_steps_and_evaluations_of_the_defaults() -> None:
    plan = make_plan(_spec(), 1000)

    assert (plan.train_rows, plan.validation_rows, plan.test_rows) == (800, 100, 100)
    assert plan.effective_batch == 4 * 4
    assert plan.steps_per_epoch == 800 // 16
    assert plan.steps == 3 * 50
    assert plan.evaluate_every == 150 // 10
    # One before training, then ten.
    assert plan.evaluations == 1 + 10
    assert plan.learning_rate == 2e-4


def test_a_last_batch_that_is_not_full_is_a_step() -> None:
    # 801 training rows in batches of 16: 50 full ones and one row.
    assert make_plan(_spec(), 1001).steps_per_epoch == 51


def test_part_of_an_epoch_is_rounded_up() -> None:
    # 0.5 x 51 = 25.5 steps.
    assert make_plan(_spec(hyperparameters={"epochs": 0.5}), 1001).steps == 26


def test_a_limit_of_steps_overrides_the_epochs() -> None:
    plan = make_plan(_spec(hyperparameters={"max_steps": 7}), 1000)

    assert (plan.steps, plan.evaluate_every, plan.evaluations) == (7, 1, 8)


def test_a_limit_of_rows_shortens_the_epoch() -> None:
    plan = make_plan(_spec(data={"max_train_rows": 100}), 1000)

    # ceil(100 / 16) = 7
    assert (plan.train_rows, plan.steps_per_epoch, plan.steps) == (100, 7, 21)


def test_no_more_validation_rows_than_wanted() -> None:
    assert make_plan(_spec(evaluation={"max_rows": 20}), 1000).validation_rows == 20


def test_evaluating_less_often_than_there_are_steps_evaluates_at_the_end() -> None:
    plan = make_plan(_spec(evaluation={"every_steps": 10_000}), 1000)

    assert (plan.evaluate_every, plan.evaluations) == (150, 2)


def test_two_rows_are_the_least() -> None:
    assert make_plan(_spec(), 2).steps == 3
    with pytest.raises(ValueError, match="at least 2 rows"):
        make_plan(_spec(), 1)


def test_a_given_learning_rate_wins_over_the_method() -> None:
    assert make_plan(_spec(hyperparameters={"learning_rate": 0.5}), 10).learning_rate == 0.5
    assert make_plan(_spec(method={"kind": "full"}), 10).learning_rate == 1e-5
