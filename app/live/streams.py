"""The streams of one process: what a viewer missed, read from SQL, and then what its run's reader tells."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.live.frames import PING, Bulletin, event, greeting
from app.live.reader import Reader
from studio.db import SessionFactory
from studio.wire import redis_client_url

PING_SECONDS = 15.0
MAX_AGE_SECONDS = 600.0
MAX_VIEWERS = 1000


class Streams:
    """The readers of one process and those who watch; made outside the event loop, used inside."""

    def __init__(self, url: str, session_factory: SessionFactory) -> None:
        # XREAD blocks for less than the socket's timeout, which is there to notice a dead connection.
        self._redis: Any = redis.asyncio.Redis.from_url(
            redis_client_url(url),
            protocol=2,
            decode_responses=True,
            socket_timeout=30,
            socket_connect_timeout=1,
            retry=Retry(NoBackoff(), 0),
        )
        self._session_factory = session_factory
        self._readers: dict[str, Reader] = {}
        self.viewers = 0

    async def close(self) -> None:
        """End every stream, so that the server can stop."""
        for reader in self._readers.values():
            reader.close()
        await self._redis.aclose()

    async def frames(self, run_id: str, cursor: int | None, *, is_back: bool = False) -> AsyncGenerator[bytes, None]:
        """Give the bytes of one viewer's stream until the run is over or the stream is old.

        The viewer knows all up to `cursor`, or is told by `reset` to read everything again. One that is back has
        missed changes that have no number.
        """
        ends_at = time.monotonic() + MAX_AGE_SECONDS
        self.viewers += 1
        try:
            async with self._reader_of(run_id) as reader, aclosing(_View(reader, cursor, is_back).frames()) as frames:
                yield greeting(cursor)
                async for frame in frames:
                    yield frame
                    if time.monotonic() > ends_at:
                        return
        finally:
            self.viewers -= 1

    @asynccontextmanager
    async def _reader_of(self, run_id: str) -> AsyncIterator[Reader]:
        """The run's reader, which lives as long as anybody watches."""
        reader = self._readers.get(run_id)
        if reader is None or reader.has_ended:
            reader = self._readers[run_id] = Reader(run_id, self._session_factory, self._redis)
        reader.viewers += 1
        try:
            yield reader
        finally:
            reader.viewers -= 1
            if not reader.viewers:
                reader.close()
                if self._readers.get(run_id) is reader:
                    del self._readers[run_id]


class _View:
    """What one viewer is told, each point once: by the reader's bulletins where they fit, else from SQL."""

    def __init__(self, reader: Reader, cursor: int | None, is_back: bool) -> None:
        self._reader = reader
        self._cursor = cursor or 0
        self._must_reset = cursor is None
        self._is_back = is_back

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """From the reader's first look to the end of the run."""
        reader = self._reader
        while reader.position is None and not reader.has_ended:
            if not await self._came(reader.next):
                yield PING
        number = reader.count
        async with aclosing(self._begin(reader.position or 0)) as frames:
            async for frame in frames:
                yield frame
        while not reader.has_ended:
            if number < reader.count:
                number += 1
                async with aclosing(self._tell(reader.bulletin(number))) as frames:
                    async for frame in frames:
                        yield frame
            elif reader.is_over:
                yield event("done", self._cursor)
                return
            elif not await self._came(reader.next):
                yield PING
        reader.check()

    async def _begin(self, position: int) -> AsyncGenerator[bytes, None]:
        """What was missed up to where the reader stands."""
        if self._must_reset:
            self._cursor = position
            yield event("reset", position)
        async with aclosing(self._catch_up(position)) as frames:
            async for frame in frames:
                yield frame
        if self._is_back or self._must_reset:
            yield event("changed", self._cursor)

    async def _tell(self, news: Bulletin | None) -> AsyncGenerator[bytes, None]:
        """One bulletin; one that is gone, or begins elsewhere than this viewer stands, is made up for from SQL."""
        if news is not None and news.after == self._cursor:
            self._cursor = news.upto
            yield news.body
            return
        async with aclosing(self._catch_up(self._reader.position or 0 if news is None else news.upto)) as frames:
            async for frame in frames:
                yield frame
        if news is None:
            yield event("changed", self._cursor)
        elif news.closing:
            yield news.closing

    async def _catch_up(self, upto: int) -> AsyncGenerator[bytes, None]:
        """Read until this viewer knows all up to `upto`, with pings while SQL is slow or away."""
        while self._cursor < upto and not self._reader.closed.done():
            reading = asyncio.create_task(self._reader.read(self._cursor, upto))
            try:
                while not await self._came(reading):
                    if self._reader.closed.done():
                        return
                    yield PING
            finally:
                reading.cancel()
            news = reading.result()
            self._cursor = news.upto
            yield news.body

    async def _came(self, awaited: "asyncio.Future[Any]") -> bool:
        """Whether it came before it is time for a ping; nobody waits on after the reader was closed."""
        awaited_or_end = {awaited, self._reader.closed}
        await asyncio.wait(awaited_or_end, timeout=PING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        return awaited.done()
