"""Points through a real supervisor while Valkey dies again and again: SQL has them all, and so has who follows."""

import functools
import json
import random
import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, func, select

from studio import runs
from studio.db import reading
from studio.runs import Point, Run
from studio.wire import Wire
from tests.browser.live import running_website
from tests.faults.chaos.processes import Valkey, await_that
from tests.faults.metrics.follower import Follower
from tests.faults.metrics.generator import METRICS, Key, expected, train
from tests.worker.benches import claim, read, with_
from worker.bench import Bench
from worker.supervise import supervise


@pytest.fixture
def living(bench: Bench, valkey: Valkey, engine: Engine) -> Iterator[Bench]:
    """The bench on the Valkey that dies; its settings are the website's, too."""
    url = engine.url.render_as_string(hide_password=False)
    settings = bench.settings.model_copy(update={"redis_url": valkey.url, "database_url": url})
    wire = Wire(valkey.url)
    yield with_(bench, settings=settings, wire=wire)
    wire.close()


def test_5_000_points_survive_two_deaths_of_valkey(living: Bench, valkey: Valkey, tiny_run: Run) -> None:
    _survive(living, valkey, tiny_run, points=5_000, points_per_second=1_200, deaths=2)


@pytest.mark.faults
def test_200_000_points_survive_20_deaths_of_valkey(living: Bench, valkey: Valkey, tiny_run: Run) -> None:
    _survive(living, valkey, tiny_run, points=200_000, points_per_second=2_000, deaths=20)


def _survive(bench: Bench, valkey: Valkey, run: Run, *, points: int, points_per_second: float, deaths: int) -> None:
    steps = points // len(METRICS)
    target = functools.partial(train, steps=steps, points_per_second=points_per_second)
    began = time.monotonic()
    with running_website(bench.settings) as website:
        lease = claim(bench)
        follower = Follower(website.url, run.id, after=read(bench, run.id).last_seq)
        follower.start()
        supervising = threading.Thread(target=supervise, args=(with_(bench, train=target), lease))
        supervising.start()
        try:
            for death in range(deaths):
                await_that(
                    lambda death=death: len(follower.told) >= points * (death + 1) // (deaths + 1),  # type: ignore[misc]
                    60 + 2 * points / points_per_second,
                    f"points come before death {death + 1}",
                )
                _die(valkey, death)
            supervising.join(60 + 2 * points / points_per_second)
            await_that(lambda: follower.is_done, 30, "the follower is told of the end")
        finally:
            follower.is_closed = True
            supervising.join(60)

    assert read(bench, run.id).status == "succeeded"
    wanted = expected(steps)
    assert _stored(bench, run) == wanted
    assert {key: values for key, values in follower.told.items() if values != [wanted[key]]} == {}
    assert len(follower.told) == points
    assert follower.resets == 0
    _report(points=points, deaths=deaths, connections=follower.connections, seconds=round(time.monotonic() - began))


def _die(valkey: Valkey, number: int) -> None:
    """Every second time flushed, else killed and away for a moment."""
    if number % 2:
        with valkey.client() as client:
            client.flushall()
        return
    valkey.kill()
    time.sleep(random.Random(number).uniform(0.1, 2.5))
    valkey.start()


def _stored(bench: Bench, run: Run) -> dict[Key, float | str]:
    """Every point that is kept, each known to be visible and numbered once."""
    with reading(bench.session_factory) as session:
        mine = select(Point.name, Point.step, Point.value, Point.kind, Point.superseded).where(Point.run_id == run.id)
        rows = session.execute(mine).all()
        numbers = session.scalar(select(func.count(Point.seq.distinct())).where(Point.run_id == run.id))
        newest = session.get_one(runs.Run, run.id).last_seq
        assert len(rows) == numbers
        assert not any(row.superseded for row in rows)
        assert session.scalar(select(func.max(Point.seq)).where(Point.run_id == run.id)) <= newest
    return {(row.name, row.step): row.value if row.kind == "num" else row.kind for row in rows}


def _report(**figures: object) -> None:
    print("metrics:", json.dumps(figures))
