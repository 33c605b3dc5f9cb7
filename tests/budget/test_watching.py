"""Alerts on curves that were not looked at while their thresholds were chosen: all found, and none on healthy ones."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from studio.budget.watching import Course, Found, Watch, say
from studio.budget.watching.kinds import KINDS
from tests.budget.curves import Curve
from tests.budget.healthy import healthy_curves
from tests.budget.sick import sick_curves

# Thresholds were chosen on seeds below 1,000.
_FIRST_SEED = 10_000
_RECORDED = sorted((Path(__file__).parent.parent / "data" / "curves").glob("*.json"))
_COURSE = Course(steps=100, warmup_steps=0, learning_rate=2e-4, usual_rate=2e-4)


def told(course: Course, points: list[tuple[int, str, float]]) -> list[Found]:
    watch = Watch(course)
    for point in points:
        watch.hear(*point)
    return watch.look()


def kinds(curve: Curve) -> set[str]:
    return {found.kind for found in told(curve.course, curve.points)}


def test_at_least_95_percent_of_the_curves_of_each_kind_are_found() -> None:
    curves = list(sick_curves(_FIRST_SEED, 40))

    found = Counter(curve.kind for curve in curves if curve.kind in kinds(curve))

    assert len(curves) == 40 * (len(KINDS) - 1)
    assert set(found) == set(KINDS) - {"over_budget"}
    assert min(found.values()) >= 0.95 * 40, found


def test_at_most_one_of_40_healthy_curves_has_an_alert() -> None:
    curves = list(healthy_curves(_FIRST_SEED, 10))

    false = {curve.name: kinds(curve) for curve in curves if kinds(curve)}

    assert len(curves) == 120
    assert len(false) <= len(curves) / 40, false


@pytest.mark.parametrize("path", _RECORDED, ids=lambda path: path.stem)
def test_curves_of_real_runs_are_judged_as_a_person_does(path: Path) -> None:
    recorded: dict[str, Any] = json.loads(path.read_text())

    found = [one.kind for one in told(Course(**recorded["course"]), [tuple(point) for point in recorded["points"]])]

    assert (found[0] if found else None) == recorded["kind"]


def test_alerts_follow_from_the_points_alone_however_often_one_looks() -> None:
    for curve in sick_curves(_FIRST_SEED, 3):
        once = told(curve.course, curve.points)
        watch, again = Watch(curve.course), []
        for point in curve.points:
            watch.hear(*point)
            again += watch.look()

        assert again == once and len({one.kind for one in once}) == len(once)


def test_what_is_no_number_is_left_to_the_trainer() -> None:
    points = [(step, name, float("nan")) for step in range(1, 90) for name in ("train/loss", "train/grad_norm")]

    assert told(_COURSE, [*points, (90, "eval/loss", float("inf"))]) == []


def test_overfitting_is_told_with_its_step_and_settings_against_it() -> None:
    losses = [2.0, 1.6, 1.4, 1.3, 1.4, 1.55, 1.7]
    points: list[tuple[int, str, float]] = [(0, "eval/loss", losses[0])]
    for step in range(1, 61):
        points.append((step, "train/loss", 2.0 - step / 40))
        if step % 10 == 0:
            points.append((step, "eval/loss", losses[step // 10]))

    (found,) = told(Course(steps=100, warmup_steps=0, learning_rate=2e-4, usual_rate=2e-4), points)
    words = say(found.kind, found.facts, ["half the learning rate (0.0001)", "dropout 0.1", "1.5 epochs"])

    assert (found.kind, found.step, found.facts["best_step"]) == ("overfitting", 60, 30)
    assert words is not None and words.cause == (
        "Validation loss has risen from 1.3 at step 30 to 1.7, while training loss fell to 0.613: "
        "the run memorises its rows."
    )
    assert words.next_step == (
        "Stop here and keep step 30, or run again with half the learning rate (0.0001), dropout 0.1 or 1.5 epochs. "
        "More rows, or more varied ones, help most."
    )


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            {"forecast_dollars": 7.1, "cap_dollars": 5.0, "last_step": 700.0, "steps": 1000.0},
            "takes $7.10; it is stopped at $5.00, at about step 700 of 1,000,",
        ),
        ({"forecast_hours": 2.0, "cap_hours": 0.5}, "takes 2.0 hours; it is stopped at 30 minutes, and"),
        ({"forecast_hours": 0.2, "cap_hours": 0.02}, "takes 12 minutes; it is stopped at 72 seconds, and"),
    ],
)
def test_a_cap_that_will_be_reached_is_told_in_dollars_or_hours(facts: dict[str, float], said: str) -> None:
    words = say("over_budget", facts)

    assert words is not None and said in words.cause


def test_a_cap_that_was_reached_is_told_in_the_past_tense() -> None:
    words = say("over_budget", {"forecast_dollars": 7.1, "cap_dollars": 5.0}, is_over=True)

    assert words is not None
    assert words.title == "The run reached its cap"
    assert words.cause == "It was forecast to take $7.10 in all, and stopped at its cap of $5.00."
    assert words.next_step.startswith("Next time a higher cap")


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"over_budget"}))
def test_every_kind_has_whole_sentences_while_the_run_goes_on_and_after_it(kind: str) -> None:
    curve = next(curve for curve in sick_curves(_FIRST_SEED, 5) if curve.kind == kind and kind in kinds(curve))
    facts = next(found.facts for found in told(curve.course, curve.points) if found.kind == kind)

    for is_over in (False, True):
        for changes in ([], ["dropout 0.1"], ["dropout 0.1", "1 epoch"]):
            words = say(kind, facts, changes, is_over=is_over)
            assert words is not None and words.cause.endswith(".")
            assert words.next_step.endswith((".", "?")) or (is_over and not changes and not words.next_step)
            assert ("Stop" in words.next_step) <= (not is_over)
