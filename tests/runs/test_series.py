"""Histories are bucketed without losing a spike."""

from collections.abc import Callable

import pytest
from sqlalchemy import func, select, update

from studio import runs
from studio.db import SessionFactory, reading, transaction
from studio.runs import Point, Run
from tests.feeding import Feed

MakeRun = Callable[..., Run]


@pytest.fixture
def run(make_run: MakeRun) -> Run:
    return make_run()


def test_few_points_come_as_they_are(session_factory: SessionFactory, run: Run) -> None:
    _measure(session_factory, run, [(1, 3.0), (5, 2.0)])

    with reading(session_factory) as session:
        series = runs.read_series(session, run, "train/loss")
    assert [(point.step, point.value, point.low, point.high) for point in series] == [(1, 3, 3, 3), (5, 2, 2, 2)]


def test_many_points_are_bucketed_and_keep_their_spikes(session_factory: SessionFactory, run: Run) -> None:
    _measure(session_factory, run, [(step, 1.0) for step in range(1, 1001) if step not in {333, 777}])
    _measure(session_factory, run, [(333, 99.0), (777, -99.0)])

    with reading(session_factory) as session:
        series = runs.read_series(session, run, "train/loss", max_points=50)
    assert 40 <= len(series) <= 50
    assert max(point.high or 0 for point in series) == 99.0
    assert min(point.low or 0 for point in series) == -99.0
    assert [point.step for point in series] == sorted(point.step for point in series)
    assert series[-1].step == 1000


def test_a_nan_among_many_numbers_keeps_its_step(session_factory: SessionFactory, run: Run) -> None:
    _measure(session_factory, run, [(step, None if step == 100 else 2.0) for step in range(1, 101)])

    with reading(session_factory) as session:
        series = runs.read_series(session, run, "train/loss", max_points=20)
    assert len(series) <= 20
    assert {(point.value, point.kind) for point in series[:-1]} == {(2.0, "num")}
    assert (series[-1].step, series[-1].value, series[-1].kind) == (100, None, "nan")


def test_values_that_are_not_finite_leave_room_for_the_numbers(session_factory: SessionFactory, run: Run) -> None:
    _measure(session_factory, run, [(step, None if step % 2 else 2.0) for step in range(1, 1001)])

    with reading(session_factory) as session:
        series = runs.read_series(session, run, "train/loss", max_points=40)
    assert len(series) == 40
    assert [point.kind for point in series].count("num") >= 36
    assert series[-2].kind == "nan"


def test_the_largest_numbers_have_a_mean(session_factory: SessionFactory, run: Run) -> None:
    _measure(session_factory, run, [(step, 1.7e308) for step in range(1, 101)])

    with reading(session_factory) as session:
        series = runs.read_series(session, run, "train/loss", max_points=10)
    assert {(point.low, point.high) for point in series} == {(1.7e308, 1.7e308)}
    assert all(point.value is not None and point.value > 9e299 for point in series)


def test_sparse_points_are_not_bucketed_away(session_factory: SessionFactory, run: Run) -> None:
    _measure(session_factory, run, [(0, 4.0), (1_000_000, 1.0)])

    with reading(session_factory) as session:
        assert len(runs.read_series(session, run, "train/loss", max_points=2)) == 2


def test_a_range_of_steps_is_read_alone(session_factory: SessionFactory, run: Run) -> None:
    _measure(session_factory, run, [(step, float(step)) for step in range(10)])

    with reading(session_factory) as session:
        series = runs.read_series(session, run, "train/loss", first_step=3, last_step=5)
    assert [point.step for point in series] == [3, 4, 5]


def test_superseded_points_are_kept_and_hidden(session_factory: SessionFactory, run: Run) -> None:
    _measure(session_factory, run, [(1, 9.0), (2, 8.0)], epoch=1)
    with transaction(session_factory) as session:
        session.execute(update(Point).where(Point.step > 1).values(superseded=True))
    _measure(session_factory, run, [(2, 5.0)], epoch=2)

    with reading(session_factory) as session:
        assert [point.value for point in runs.read_series(session, run, "train/loss")] == [9.0, 5.0]
        assert session.scalar(select(func.count()).select_from(Point)) == 3
        assert runs.series_names(session, run) == ["train/loss"]


def test_names_come_in_their_order(session_factory: SessionFactory, run: Run) -> None:
    feed = Feed(session_factory, run.id)
    for name in ("train/loss", "eval/loss", "a"):
        feed.measure(range(3), name)

    with reading(session_factory) as session:
        assert runs.series_names(session, run) == ["a", "eval/loss", "train/loss"]


def test_an_unknown_metric_is_empty(session_factory: SessionFactory, run: Run) -> None:
    with reading(session_factory) as session:
        assert runs.read_series(session, run, "no/such") == []


def _measure(
    session_factory: SessionFactory, run: Run, values: list[tuple[int, float | None]], *, epoch: int = 1
) -> None:
    with transaction(session_factory) as session:
        session.add_all(
            Point(
                run_id=run.id,
                name="train/loss",
                step=step,
                epoch=epoch,
                value=value,
                kind="nan" if value is None else "num",
                seq=step,
            )
            for step, value in values
        )
