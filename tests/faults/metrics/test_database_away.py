"""A database that crashes while pages watch: their streams stay open and go on where they were."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing

import pytest

from app.live import streams
from app.live.frames import PING
from app.live.streams import Streams
from studio.db import SessionFactory, make_engine, make_session_factory
from studio.runs import Run
from studio.tables import metadata
from tests.faults.chaos.processes import PostgreSQL
from tests.feeding import Feed, run_in_thread


@pytest.fixture
def server() -> Iterator[PostgreSQL]:
    """A PostgreSQL of the test's own."""
    server = PostgreSQL()
    yield server
    server.close()


@pytest.fixture
def session_factory(server: PostgreSQL) -> Iterator[SessionFactory]:
    """Sessions on it."""
    engine = make_engine(server.url)
    metadata.create_all(engine)
    yield make_session_factory(engine)
    engine.dispose()


def test_streams_outlive_a_crash_of_the_database(
    server: PostgreSQL,
    session_factory: SessionFactory,
    make_run: Callable[..., Run],
    empty_redis: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "PING_SECONDS", 0.2)
    feed = Feed(session_factory, make_run().id)
    cursor = feed.last_seq

    async def watch() -> None:
        found = Streams(empty_redis, session_factory)
        async with aclosing(found.frames(feed.run_id, cursor)) as frames, asyncio.timeout(60):
            await asyncio.to_thread(feed.measure, [1])
            assert await _next_points(frames) == b'[["train/loss",1,1.5,"num"]]'
            await asyncio.to_thread(server.crash)
            for _ in range(10):
                assert await anext(frames) == PING
            async with aclosing(found.frames(feed.run_id, cursor)) as late:
                assert (await anext(late)).startswith(b"retry")
                assert await anext(late) == PING
                await asyncio.to_thread(server.start)
                await asyncio.to_thread(feed.measure, [2])
                assert await _next_points(frames) == b'[["train/loss",2,1.0,"num"]]'
                assert (await _next_points(late)).startswith(b'[["train/loss",1,1.5,"num"]')
        await found.close()

    run_in_thread(watch())


async def _next_points(frames: AsyncGenerator[bytes, None]) -> bytes:
    async for frame in frames:
        for block in frame.split(b"\n\n"):
            if b"event: points" in block:
                return block.partition(b"data: ")[2]
    raise AssertionError("the stream ended")
