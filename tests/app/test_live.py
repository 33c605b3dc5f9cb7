"""Streams tell every visible point once and in order from SQL, whatever became of Redis, and share one reader."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, event

from app.live import reader, streams
from app.live.streams import Streams
from studio.db import SessionFactory
from studio.runs import Run
from studio.runs.events import Measured, Noted, Progressed
from studio.wire import Wire
from tests.feeding import Feed, run_in_thread

Told = list[tuple[str, int, Any]]
Scenario = Callable[[Streams], Coroutine[Any, Any, None]]


@pytest.fixture
def wire(empty_redis: str) -> Iterator[Wire]:
    """A connection to Valkey."""
    wire = Wire(empty_redis)
    yield wire
    wire.close()


@pytest.fixture
def feed(session_factory: SessionFactory, make_run: Callable[..., Run], wire: Wire) -> Feed:
    """A run in training."""
    return Feed(session_factory, make_run().id, wire)


@pytest.fixture
def play(session_factory: SessionFactory, empty_redis: str) -> Callable[[Scenario], None]:
    """Run a scenario on streams of its own, and close them."""

    def _play(scenario: Scenario, url: str = empty_redis) -> None:
        async def _run() -> None:
            streams = Streams(url, session_factory)
            try:
                async with asyncio.timeout(30):
                    await scenario(streams)
            finally:
                await streams.close()
            assert streams.viewers == 0

        run_in_thread(_run())

    return _play


async def events(frames: AsyncGenerator[bytes, None], count: int, *kinds: str) -> Told:
    """The next `count` events of these kinds, or of all but pings, as (kind, id, data)."""
    found: Told = []
    async for frame in frames:
        for block in frame.decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines())
            kind = lines.get("event", "ping")
            if kind in kinds or (not kinds and kind != "ping"):
                found.append((kind, int(lines["id"]), json.loads(lines["data"])))
        if len(found) >= count:
            break
    return found


def steps_of(told: Told) -> list[int]:
    """The steps of all points, as they came."""
    return [point[1] for kind, _, points in told if kind == "points" for point in points]


def test_a_viewer_is_told_what_it_missed_and_then_what_comes(feed: Feed, play: Callable[..., None]) -> None:
    feed.measure([1])
    cursor = feed.last_seq
    feed.measure([2, 3])

    async def scenario(streams: Streams) -> None:
        async with aclosing(streams.frames(feed.run_id, cursor)) as frames:
            missed = await events(frames, 1, "points")
            await asyncio.to_thread(feed.measure, [4])
            following = await events(frames, 1, "points")
        assert steps_of(missed) == [2, 3]
        assert steps_of(following) == [4]
        assert (missed[-1][1], following[-1][1]) == (feed.last_seq - 1, feed.last_seq)

    play(scenario)


def test_points_are_told_as_they_are_kept(feed: Feed, play: Callable[..., None]) -> None:
    cursor = feed.last_seq
    feed.record(Measured(step=1, values={"a": 0.1 + 0.2, "b": "nan", "c": "-inf", "d": 1e300}))

    async def scenario(streams: Streams) -> None:
        async with aclosing(streams.frames(feed.run_id, cursor)) as frames:
            _, _, points = (await events(frames, 1, "points"))[0]
        assert points == [
            ["a", 1, 0.1 + 0.2, "num"],
            ["b", 1, None, "nan"],
            ["c", 1, None, "-inf"],
            ["d", 1, 1e300, "num"],
        ]

    play(scenario)


def test_what_pages_show_of_the_run_is_told_as_changed(feed: Feed, play: Callable[..., None]) -> None:
    async def scenario(streams: Streams) -> None:
        async with aclosing(streams.frames(feed.run_id, feed.last_seq)) as frames:
            assert (await anext(frames)).startswith(b"retry: 1000\nid: ")
            for news in (Progressed(step=1, total_steps=9), Noted(message="The data is short.")):
                coming = asyncio.create_task(events(frames, 1))
                await asyncio.sleep(0)
                await asyncio.to_thread(feed.record, news)
                assert [kind for kind, _, _ in await coming] == ["changed"]

    play(scenario)


def test_a_renewed_lease_is_no_news(feed: Feed, play: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "POLL_SECONDS", 0.15)
    monkeypatch.setattr(streams, "PING_SECONDS", 0.1)

    async def scenario(streams: Streams) -> None:
        async with aclosing(streams.frames(feed.run_id, feed.last_seq)) as frames:
            await anext(frames)
            for _ in range(5):
                await asyncio.to_thread(feed.record)
                assert await anext(frames) == b"event: ping\ndata: {}\n\n"

    play(scenario)


def test_the_end_of_a_run_is_told_last(feed: Feed, play: Callable[..., None]) -> None:
    cursor = feed.last_seq
    feed.measure([1])

    async def scenario(streams: Streams) -> None:
        frames = streams.frames(feed.run_id, cursor)
        await events(frames, 1, "points")
        await asyncio.to_thread(feed.end)
        assert [kind for kind, _, _ in await events(frames, 9)] == ["changed", "done"]
        late = await events(streams.frames(feed.run_id, cursor), 9)
        assert [kind for kind, _, _ in late] == ["points", "changed", "done"]

    play(scenario)


def test_a_resumed_run_resets_those_who_watch_and_those_who_come_back(feed: Feed, play: Callable[..., None]) -> None:
    feed.measure(range(1, 5))
    feed.commit_checkpoint(2)
    cursor = feed.last_seq

    async def scenario(streams: Streams) -> None:
        async with aclosing(streams.frames(feed.run_id, cursor)) as frames:
            await anext(frames)
            coming = asyncio.create_task(events(frames, 1, "reset", "points"))
            await asyncio.sleep(0)
            await asyncio.to_thread(feed.resume)
            assert [kind for kind, _, _ in await coming] == ["reset"]
            await asyncio.to_thread(feed.measure, [3])
            assert steps_of(await events(frames, 1, "points")) == [3]
        back = await events(streams.frames(feed.run_id, cursor, is_back=True), 3)
        assert [kind for kind, _, _ in back] == ["reset", "changed", "changed"]

    play(scenario)


def test_without_redis_news_come_by_looking(feed: Feed, play: Callable[..., None], tmp_path: Path) -> None:
    async def scenario(streams: Streams) -> None:
        async with aclosing(streams.frames(feed.run_id, feed.last_seq)) as frames:
            await anext(frames)
            for step in range(1, 4):
                await asyncio.to_thread(feed.measure, [step], is_heard=False)
                assert steps_of(await events(frames, 1, "points")) == [step]

    play(scenario, f"unix://{tmp_path}/nobody.sock")


def test_a_flushed_redis_loses_nothing(feed: Feed, play: Callable[..., None], empty_redis: str) -> None:
    async def scenario(streams: Streams) -> None:
        with redis.Redis.from_url(empty_redis) as client:
            async with aclosing(streams.frames(feed.run_id, feed.last_seq)) as frames:
                await anext(frames)
                for step in range(1, 8):
                    await asyncio.to_thread(feed.measure, [step])
                    client.flushall()
                    assert steps_of(await events(frames, 1, "points")) == [step]

    play(scenario)


def test_viewers_share_one_reader_whose_questions_do_not_grow_with_them(
    feed: Feed, play: Callable[..., None], engine: Engine
) -> None:
    asked: list[str] = []

    async def follow(streams: Streams, viewers: int, first: int) -> int:
        cursor, count = feed.last_seq, 20
        following = [streams.frames(feed.run_id, cursor) for _ in range(viewers)]
        told = [asyncio.create_task(_all_steps(frames, count)) for frames in following]
        while streams.viewers < viewers:
            await asyncio.sleep(0.01)
        asked.clear()
        for step in range(first, first + count):
            await asyncio.to_thread(feed.measure, [step])
        for task in told:
            assert await task == list(range(first, first + count))
        number = len([statement for statement in asked if statement.startswith("SELECT runs.next_seq")])
        for frames in following:
            await frames.aclose()
        assert streams._readers == {}
        return number

    async def scenario(streams: Streams) -> None:
        alone = await follow(streams, 1, first=1)
        many = await follow(streams, 100, first=101)
        assert many <= alone + 10

    event.listen(engine, "before_cursor_execute", lambda *found: asked.append(found[2]))
    play(scenario)


def test_a_viewer_that_falls_behind_reads_on_from_sql(
    feed: Feed, play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "KEPT_BULLETINS", 2)
    monkeypatch.setattr(reader, "SPACING_SECONDS", 0.0)

    async def scenario(streams: Streams) -> None:
        async with (
            aclosing(streams.frames(feed.run_id, feed.last_seq)) as frames,
            aclosing(streams.frames(feed.run_id, feed.last_seq)) as quick,
        ):
            assert (await anext(frames)).startswith(b"retry")
            await asyncio.to_thread(feed.measure, [0])
            assert steps_of(await events(frames, 1, "points")) == [0]
            await events(quick, 1, "points")
            for step in range(1, 20):
                await asyncio.to_thread(feed.measure, [step])
                await events(quick, 1, "points")
            assert await _all_steps(frames, 19) == list(range(1, 20))

    play(scenario)


def test_much_that_was_missed_comes_in_parts(
    feed: Feed, play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.runs.following.MAX_POINTS_AT_ONCE", 30)
    monkeypatch.setattr("studio.runs.MAX_POINTS_AT_ONCE", 30)
    cursor = feed.last_seq
    feed.measure(range(1, 101))

    async def scenario(streams: Streams) -> None:
        async with aclosing(streams.frames(feed.run_id, cursor)) as frames:
            assert await _all_steps(frames, 100) == list(range(1, 101))
            await asyncio.to_thread(feed.measure, range(101, 201))
            assert await _all_steps(frames, 100) == list(range(101, 201))

    play(scenario)


def test_a_silent_stream_is_pinged_and_an_old_one_ends(
    feed: Feed, play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PING_SECONDS", 0.05)
    monkeypatch.setattr(streams, "MAX_AGE_SECONDS", 0.4)

    async def scenario(streams: Streams) -> None:
        frames = [frame async for frame in streams.frames(feed.run_id, feed.last_seq)]
        assert frames.count(b"event: ping\ndata: {}\n\n") >= 2

    play(scenario)


async def _all_steps(frames: AsyncGenerator[bytes, None], count: int) -> list[int]:
    """The steps of the next `count` points, in as many events as they come."""
    found: list[int] = []
    while len(found) < count:
        found += steps_of(await events(frames, 1, "points"))
    return found
