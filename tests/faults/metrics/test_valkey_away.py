"""How soon a point is seen while Valkey is away, and again once it is back; each death is a real one."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing

import pytest

from app.live.streams import Streams
from studio.db import SessionFactory
from studio.runs import Run
from studio.wire import Wire
from tests.faults.chaos.processes import Valkey
from tests.feeding import Feed, run_in_thread

POINTS = 5


@pytest.fixture
def wire(valkey: Valkey) -> Iterator[Wire]:
    """A connection to the Valkey that dies."""
    wire = Wire(valkey.url)
    yield wire
    wire.close()


def test_points_are_seen_late_without_valkey_and_soon_again_when_it_is_back(
    session_factory: SessionFactory, make_run: Callable[..., Run], valkey: Valkey, wire: Wire
) -> None:
    feed = Feed(session_factory, make_run().id, wire)
    seconds: dict[str, list[float]] = {"there": [], "away": [], "back": []}

    async def watch() -> None:
        streams = Streams(valkey.url, session_factory)
        async with aclosing(streams.frames(feed.run_id, feed.last_seq)) as frames, asyncio.timeout(90):
            await anext(frames)
            for when in seconds:
                if when == "away":
                    await asyncio.to_thread(valkey.kill)
                if when == "back":
                    await asyncio.to_thread(valkey.start)
                    # The reader tries again every second, and the first point may be found by a look without a poke.
                    await _seconds_until_seen(feed, frames)
                seconds[when] = [await _seconds_until_seen(feed, frames) for _ in range(POINTS)]
        await streams.close()

    run_in_thread(watch())

    medians = {when: sorted(found)[POINTS // 2] for when, found in seconds.items()}
    print("seen after, median seconds:", json.dumps({when: round(median, 3) for when, median in medians.items()}))
    assert medians["there"] < 1
    assert max(seconds["away"]) < 3
    assert medians["back"] < 1


async def _seconds_until_seen(feed: Feed, frames: AsyncGenerator[bytes, None]) -> float:
    began = time.monotonic()
    await asyncio.to_thread(feed.measure, [feed.last_seq])
    async for frame in frames:
        if b"event: points" in frame:
            break
    return time.monotonic() - began
