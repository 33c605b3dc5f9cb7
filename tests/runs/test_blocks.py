"""Blocks are what the visible points come to, after any order of batches, and long histories are read from them."""

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from studio import runs
from studio.db import SessionFactory, reading
from studio.runs import Event, Run, series
from studio.runs.blocks import BLOCK_STEPS, sealed_until
from studio.runs.events import Measured
from studio.runs.models import Point, PointBlock
from tests.feeding import Feed

NAMES = ("train/loss", "eval/loss")
Key = tuple[str, int, str]


@pytest.fixture
def feed(session_factory: SessionFactory, make_run: Callable[..., Run]) -> Feed:
    return Feed(session_factory, make_run().id)


def test_a_block_is_written_once_all_its_steps_are_there(session_factory: SessionFactory, feed: Feed) -> None:
    feed.measure(range(BLOCK_STEPS))
    assert _blocks(session_factory, feed) == {}

    feed.measure([BLOCK_STEPS])

    with reading(session_factory) as session:
        block = session.scalars(select(PointBlock)).one()
    assert (block.block, block.count, block.last_step) == (0, BLOCK_STEPS, BLOCK_STEPS - 1)
    assert (block.low, block.high) == (3 / BLOCK_STEPS, 3.0)
    assert block.total == pytest.approx(sum(3 / (1 + step) for step in range(BLOCK_STEPS)))


def test_blocks_come_to_the_visible_points_after_any_order_of_batches(
    session_factory: SessionFactory, feed: Feed
) -> None:
    chance = random.Random(7)
    step = 0
    for _ in range(60):
        batch = range(step + 1, step + 1 + chance.choice([1, 5, 70, 200]))
        step = batch[-1]
        events = [_measured(chance, step) for step in batch]
        feed.record(*events)
        if chance.random() < 0.2:
            feed.record(*events)
        if chance.random() < 0.2:
            feed.commit_checkpoint(step)
        if chance.random() < 0.15:
            feed.resume()
            with reading(session_factory) as session:
                step = session.get_one(Run, feed.run_id).step

    assert _blocks(session_factory, feed) == _expected(session_factory, feed)
    assert len(_blocks(session_factory, feed)) > 20


def test_a_late_point_is_in_its_block(session_factory: SessionFactory, feed: Feed) -> None:
    feed.measure([step for step in range(300) if step != 100])

    feed.measure([100])
    feed.measure([300])

    assert _blocks(session_factory, feed) == _expected(session_factory, feed)


def test_a_run_without_blocks_gets_them_with_its_next_points(session_factory: SessionFactory, feed: Feed) -> None:
    feed.measure(range(200))
    feed.write(lambda session: session.query(PointBlock).delete())

    feed.measure(range(200, 260))

    assert _blocks(session_factory, feed) == _expected(session_factory, feed)


@pytest.mark.parametrize(("first", "last"), [(0, None), (1, None), (77, 1500), (128, 1919)])
def test_a_long_history_read_from_blocks_keeps_its_ends_its_spikes_and_its_means(
    session_factory: SessionFactory, feed: Feed, monkeypatch: pytest.MonkeyPatch, first: int, last: int | None
) -> None:
    monkeypatch.setattr(series, "_LONG_STEPS", 500)
    values = {step: 1.0 + step % 7 for step in range(2000)} | {700: 99.0, 1333: -99.0}
    for begin in range(0, 2000, 50):
        feed.record(*(Measured(step=s, values={"train/loss": values[s]}) for s in range(begin, begin + 50)))

    with reading(session_factory) as session:
        run = session.get_one(Run, feed.run_id)
        assert sealed_until(session, run.id, "train/loss") == 1984
        found = runs.read_series(session, run, "train/loss", first_step=first, last_step=last, max_points=30)

    assert 10 <= len(found) <= 30
    assert found[-1].step == (1999 if last is None else last)
    assert max(point.high or 0 for point in found) == 99.0
    assert min(point.low or 0 for point in found) == -99.0
    starts = [first, *(point.step + 1 for point in found[:-1])]
    for start, point in zip(starts, found, strict=True):
        mean = sum(values[step] for step in range(start, point.step + 1)) / (point.step + 1 - start)
        assert point.value == pytest.approx(mean)


def _measured(chance: random.Random, step: int) -> Event:
    values: dict[str, Any] = {"train/loss": chance.choice([1.0, 2.0, "nan", "inf"])}
    if step % 90 == 0:
        values["eval/loss"] = 1.5
    return Measured(step=step, values=values)


def _blocks(session_factory: SessionFactory, feed: Feed) -> dict[Key, tuple[object, ...]]:
    with reading(session_factory) as session:
        found = session.scalars(select(PointBlock).where(PointBlock.run_id == feed.run_id))
        return {(b.name, b.block, b.kind): (b.count, _rounded(b.total), b.low, b.high, b.last_step) for b in found}


def _expected(session_factory: SessionFactory, feed: Feed) -> dict[Key, tuple[object, ...]]:
    """The same, counted in Python, of every block but the last that has begun."""
    members: dict[Key, list[Point]] = defaultdict(list)
    with reading(session_factory) as session:
        visible = (Point.run_id == feed.run_id, Point.superseded.is_(False))
        for point in session.scalars(select(Point).where(*visible)):
            members[point.name, point.step // BLOCK_STEPS, point.kind].append(point)
    newest = {name: max((block for found, block, _ in members if found == name), default=0) for name in NAMES}
    return {key: _come_to(points) for key, points in members.items() if key[1] < newest[key[0]]}


def _come_to(points: list[Point]) -> tuple[object, ...]:
    values = [point.value for point in points if point.value is not None]
    last = max(point.step for point in points)
    if not values:
        return (len(points), None, None, None, last)
    return (len(points), _rounded(sum(values)), min(values), max(values), last)


def _rounded(total: float | None) -> float | None:
    """A sum to nine places: the order of its summands is the database's."""
    return None if total is None else round(total, 9)
