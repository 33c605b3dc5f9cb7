"""Streams lose nothing, send nothing twice, share one reader, and end with those who watch."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import httpx2
import pytest
import redis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app import live
from app.live import Streams
from studio.db import SessionFactory, transaction
from studio.runs import Run
from studio.wire import Wire, WireMessage, stream_key
from tests.app.conftest import wait_until

RUN = "run_00000000000000000000000000"


def points(step: int) -> WireMessage:
    return WireMessage("points", [["train/loss", step, 1.5, "num"]])


async def events(frames: AsyncGenerator[bytes, None], count: int) -> list[tuple[str, str, Any]]:
    """The next `count` events as (event, id, data); comments and retry lines are passed over."""
    found: list[tuple[str, str, Any]] = []
    async with asyncio.timeout(10):
        async for frame in frames:
            lines = dict(line.split(": ", 1) for line in frame.decode().splitlines() if line and line[0] != ":")
            if "event" in lines:
                found.append((lines["event"], lines.get("id", ""), json.loads(lines["data"])))
            if len(found) == count:
                break
    return found


def run_streams(url: str, scenario: Callable[[Streams], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario on streams of its own, and close them."""

    async def _run() -> None:
        streams = Streams(url)
        try:
            async with asyncio.timeout(20):
                await scenario(streams)
        finally:
            await streams.close()
        assert streams.viewers == 0

    asyncio.run(_run())


def test_a_viewer_gets_what_it_missed_and_then_what_comes(empty_redis: str) -> None:
    wire = Wire(empty_redis)
    wire.publish(RUN, [points(1)])
    cursor = wire.tail(RUN)
    wire.publish(RUN, [points(2), WireMessage("changed", {})])

    async def scenario(streams: Streams) -> None:
        async with aclosing(streams.frames(RUN, cursor, over=False)) as frames:
            missed = await events(frames, 2)
            wire.publish(RUN, [points(3)])
            following = await events(frames, 1)
        assert [event for event, _, _ in missed] == ["points", "changed"]
        assert missed[0][2] == [["train/loss", 2, 1.5, "num"]]
        assert following[0][2] == [["train/loss", 3, 1.5, "num"]]

    run_streams(empty_redis, scenario)


def test_a_run_that_has_said_nothing_yet_is_followed_from_its_first_entry(empty_redis: str) -> None:
    wire = Wire(empty_redis)

    async def scenario(streams: Streams) -> None:
        async with aclosing(streams.frames(RUN, "0", over=False)) as frames:
            assert (await anext(frames)).startswith(b"retry: 1000")
            first = asyncio.create_task(events(frames, 1))
            while RUN not in streams._readers:
                await asyncio.sleep(0)
            wire.publish(RUN, [points(1)])
            assert (await first)[0][2] == [["train/loss", 1, 1.5, "num"]]

    run_streams(empty_redis, scenario)


def test_done_ends_the_stream(empty_redis: str) -> None:
    Wire(empty_redis).publish(RUN, [points(1), WireMessage("done", {}), points(2)])

    async def scenario(streams: Streams) -> None:
        found = await events(streams.frames(RUN, "0", over=False), 9)
        assert [event for event, _, _ in found] == ["points", "done"]

    run_streams(empty_redis, scenario)


def test_a_run_that_is_over_is_told_even_when_its_stream_is_gone(empty_redis: str) -> None:
    async def scenario(streams: Streams) -> None:
        found = await events(streams.frames(RUN, "0", over=True), 9)
        assert [event for event, _, _ in found] == ["done"]

    run_streams(empty_redis, scenario)


def test_a_cursor_older_than_the_stream_gets_a_reset_with_the_newest_cursor(empty_redis: str) -> None:
    wire = Wire(empty_redis)
    wire.publish(RUN, [points(step) for step in range(5)])
    with redis.Redis.from_url(empty_redis) as client:
        first = client.xrange(stream_key(RUN), count=1)[0][0].decode()
        client.xtrim(stream_key(RUN), maxlen=2, approximate=False)

    async def scenario(streams: Streams) -> None:
        for cursor in (first, "0"):
            async with aclosing(streams.frames(RUN, cursor, over=False)) as frames:
                assert (await events(frames, 1))[0][:2] == ("reset", wire.tail(RUN))
                wire.publish(RUN, [points(9)])
                assert (await events(frames, 1))[0][2] == [["train/loss", 9, 1.5, "num"]]

    run_streams(empty_redis, scenario)


def test_a_cursor_of_a_stream_that_is_gone_gets_a_reset(empty_redis: str) -> None:
    async def scenario(streams: Streams) -> None:
        async with aclosing(streams.frames(RUN, "1712345678901-0", over=False)) as frames:
            assert await events(frames, 1) == [("reset", "0", {})]

    run_streams(empty_redis, scenario)


def test_viewers_of_one_run_share_one_reader_that_ends_with_the_last(empty_redis: str) -> None:
    wire = Wire(empty_redis)
    wire.publish(RUN, [points(0)])

    async def scenario(streams: Streams) -> None:
        viewers = [streams.frames(RUN, "0", over=False) for _ in range(20)]
        for frames in viewers:
            await events(frames, 1)
        following = [asyncio.create_task(events(frames, 50)) for frames in viewers]
        for step in range(1, 51):
            wire.publish(RUN, [points(step)])
        for task in following:
            assert [data[0][1] for _, _, data in await task] == list(range(1, 51))
        with redis.Redis.from_url(empty_redis) as client:
            assert client.info("clients")["blocked_clients"] <= 1

        for frames in viewers:
            await frames.aclose()

        assert streams._readers == {}

    run_streams(empty_redis, scenario)


def test_a_viewer_that_falls_behind_reads_on_from_the_stream(empty_redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_BEHIND", 5)
    wire = Wire(empty_redis)
    wire.publish(RUN, [points(0)])

    async def scenario(streams: Streams) -> None:
        async with aclosing(streams.frames(RUN, "0", over=False)) as frames:
            await events(frames, 1)
            wire.publish(RUN, [points(step) for step in range(1, 101)])
            while streams._readers[RUN].queues:
                await asyncio.sleep(0.01)
            found = await events(frames, 100)
        assert [data[0][1] for _, _, data in found] == list(range(1, 101))

    run_streams(empty_redis, scenario)


def test_without_redis_the_page_is_told_to_poll(tmp_path_factory: pytest.TempPathFactory) -> None:
    url = f"unix://{tmp_path_factory.getbasetemp()}/nobody.sock"

    async def scenario(streams: Streams) -> None:
        async with aclosing(streams.frames(RUN, "0", over=False)) as frames:
            assert await events(frames, 1) == [("offline", "", {})]

    run_streams(url, scenario)


def test_a_silent_stream_is_pinged_and_an_old_one_ends(empty_redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PING_SECONDS", 0.05)
    monkeypatch.setattr(live, "MAX_AGE_SECONDS", 0.2)

    async def scenario(streams: Streams) -> None:
        frames = [frame async for frame in streams.frames(RUN, "0", over=False)]
        assert frames.count(b": ping\n\n") >= 2

    run_streams(empty_redis, scenario)


def test_closing_a_tab_frees_the_reader_and_no_session_is_held(
    http: httpx2.Client, app: FastAPI, services: Any, make_run: Callable[..., Run], engine: Engine
) -> None:
    run = make_run()
    streams: Streams = app.state.streams

    with http.stream("GET", f"/runs/{run.id}/stream") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        lines = response.iter_lines()
        assert next(lines) == "retry: 1000"
        wait_until(lambda: run.id in streams._readers)
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        services.wire.publish(run.id, [points(1)])
        assert "event: points" in (next(lines) for _ in range(4))

    wait_until(lambda: streams.viewers == 0 and not streams._readers)


def test_last_event_id_comes_before_the_cursor_of_the_page(
    client: TestClient, services: Any, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    run = make_run()
    with transaction(session_factory) as session:
        session.get_one(Run, run.id).status = "succeeded"
    services.wire.publish(run.id, [points(1), points(2)])
    tail = services.wire.tail(run.id)

    late = client.get(f"/runs/{run.id}/stream?after=0", headers={"Last-Event-ID": tail})
    whole = client.get(f"/runs/{run.id}/stream?after=0")

    assert "event: points" not in late.text and "event: done" in late.text
    assert whole.text.count("event: points") == 2


@pytest.mark.parametrize("cursor", ["x", "1-2-3", "-1", "1-", "99999999999999999999-0", "0\n", "+", "$"])
def test_a_forged_cursor_is_refused(client: TestClient, make_run: Callable[..., Run], cursor: str) -> None:
    assert client.get(f"/runs/{make_run().id}/stream", params={"after": cursor}).status_code == 400


def test_more_viewers_than_the_limit_are_sent_away(
    client: TestClient, make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_VIEWERS", 0)

    assert client.get(f"/runs/{make_run().id}/stream").status_code == 503
