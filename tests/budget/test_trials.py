"""What a trial's steps say of a run's: the arithmetic, on steps whose true cost is known."""

import random

import pytest

from studio.budget.trials import Measured, StepKind, StepTime, forecast, step_seconds, warm_up_seconds
from studio.runs.plan import Plan

PLAN = Plan(
    train_rows=800,
    validation_rows=100,
    test_rows=100,
    effective_batch=8,
    steps_per_epoch=100,
    steps=300,
    evaluate_every=30,
    evaluations=11,
    learning_rate=2e-4,
)


def made(kind: StepKind, tokens: int, *, noise: float = 0.0, extra: float = 0.0) -> StepTime:
    """A step that costs 50 ms and 0.1 ms a token."""
    return StepTime(kind, (0.05 + 1e-4 * tokens) * (1 + noise) + extra, tokens)


def test_a_mean_step_is_corrected_by_the_tokens_of_all_steps() -> None:
    longest = [made("longest", 8000) for _ in range(10)]
    ordinary = [made("ordinary", tokens) for tokens in (1800, 2200, 2000, 1900, 2100)]

    measured = Measured(steps=[*longest, *ordinary], mean_tokens=2500)

    assert step_seconds(measured) == pytest.approx(0.05 + 1e-4 * 2500, rel=1e-6)


def test_noise_of_single_steps_leaves_the_mean_within_a_few_percent() -> None:
    dice = random.Random(7)
    for _ in range(50):
        steps = [made("longest", 4000, noise=dice.gauss(0, 0.1)) for _ in range(10)]
        steps += [made("ordinary", dice.randint(1500, 2500), noise=dice.gauss(0, 0.1)) for _ in range(20)]

        found = step_seconds(Measured(steps=steps, mean_tokens=2000))

        assert found == pytest.approx(0.25, rel=0.1)


def test_longest_rows_that_take_no_longer_change_nothing() -> None:
    steps = [StepTime("longest", 0.2, 4000)] * 5 + [StepTime("ordinary", 0.25, 2000)] * 5

    assert step_seconds(Measured(steps=steps, mean_tokens=3000)) == pytest.approx(0.25)


def test_the_first_step_of_all_warms_up() -> None:
    steps = [made("longest", 4000, extra=2.0), *[made("longest", 4000) for _ in range(4)]]

    assert warm_up_seconds(Measured(steps=steps)) == pytest.approx(2.0)
    assert warm_up_seconds(Measured(steps=steps[:1])) == 0.0
    assert warm_up_seconds(Measured()) == 0.0


def test_only_longest_steps_are_better_than_none() -> None:
    assert step_seconds(Measured(steps=[StepTime("longest", 3.0, 10)], mean_tokens=5)) == 3.0
    assert step_seconds(Measured()) == 0.0


def test_the_parts_are_counted_as_a_run_does_them() -> None:
    steps = [StepTime("longest", 1.0, 400)] * 2 + [StepTime("ordinary", 0.5, 200)] * 10
    measured = Measured(
        starting=5.0,
        steps=steps,
        mean_tokens=200,
        evaluation=4.0,
        answers=3.0,
        trained_answers=1.0,
        checkpoint=2.0,
        best=0.5,
    )

    found = forecast(measured, PLAN, checkpoint_steps=200, checkpoint_seconds=300)

    assert found.starting == 5.0
    assert found.training == pytest.approx(300 * 0.5)
    # 11 validations; the untrained model answers to the limit, then ten times a trained one, kept if it is the best.
    assert found.evaluating == pytest.approx(11 * 4.0 + 3.0 + 10 * (1.0 + 0.5))
    # Behind steps 200 and 300.
    assert found.checkpoints == pytest.approx(2 * 2.0)
    assert found.closing == 2.0
    assert found.seconds == pytest.approx(5 + 150 + 62 + 4 + 2)
    assert found.as_json()["parts"]["training"] == 150.0


def test_a_slow_run_saves_by_the_clock() -> None:
    measured = Measured(steps=[StepTime("ordinary", 10.0, 200)], mean_tokens=200, checkpoint=1.0)

    assert forecast(measured, PLAN, checkpoint_steps=200, checkpoint_seconds=300).checkpoints == pytest.approx(10.0)
