"""Live updates: a run's Redis stream as server-sent events, read once per run and process, sent to all who watch.

No SQL after the check of ownership. A viewer first reads what it has missed, then follows the shared reader; the ids
of entries put the two in order, so that nothing is lost or sent twice. Losing Redis pauses updates, nothing else.
"""

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, cast

import redis.asyncio
from fastapi import APIRouter, Header, HTTPException, Query, Request
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.deps import CurrentActor, CurrentSession, IdInPath
from studio import runs
from studio.db import on_commit
from studio.errors import Unavailable
from studio.wire import Wire, WireMessage, redis_client_url, stream_key

log = logging.getLogger(__name__)
router = APIRouter()

PING_SECONDS = 15.0
OFFLINE_SECONDS = 5.0
MAX_AGE_SECONDS = 600.0
MAX_VIEWERS = 1000
# A viewer this far behind the shared reader goes back to the stream and reads at its own pace.
MAX_BEHIND = 500
READ_COUNT = 500
CURSOR = re.compile(r"0|\d{1,19}-\d{1,19}")

_PING = b": ping\n\n"
# `offline` tells the page to poll; any later event means that Redis is back.
_OFFLINE = b"event: offline\nretry: 5000\ndata: {}\n\n"
_DONE = b"event: done\ndata: {}\n\n"
_KINDS = frozenset({"points", "changed", "done"})


class Entry(NamedTuple):
    """One entry of a stream, encoded once for all viewers."""

    id: str
    frame: bytes
    last: bool = False


@dataclass(slots=True)
class _Reader:
    """The task that follows one run's stream, and the queues of those who watch it."""

    task: asyncio.Task[None]
    queues: set[asyncio.Queue[Entry | None]] = field(default_factory=set)


class Streams:
    """The streams of one process; made outside the event loop, used inside."""

    def __init__(self, url: str) -> None:
        # XREAD blocks for less than the socket's timeout, which is there to notice a dead connection.
        self._redis: Any = redis.asyncio.Redis.from_url(
            redis_client_url(url),
            protocol=2,
            decode_responses=True,
            socket_timeout=30,
            socket_connect_timeout=1,
            retry=Retry(NoBackoff(), 0),
        )
        self._readers: dict[str, _Reader] = {}
        self._closing = asyncio.Event()
        self.viewers = 0

    async def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._closing.set()
        for run_id in list(self._readers):
            self._stop_reader(run_id)
        await self._redis.aclose()

    async def frames(self, run_id: str, cursor: str, *, over: bool) -> AsyncGenerator[bytes, None]:
        """Give the bytes of one viewer's stream from behind `cursor`, until the run is done or the stream is old."""
        ends_at = time.monotonic() + MAX_AGE_SECONDS
        self.viewers += 1
        try:
            yield b"retry: 1000\n\n"
            while not self._closing.is_set():
                try:
                    async with aclosing(self._follow(run_id, cursor, over=over)) as entries:
                        async for entry in entries:
                            yield entry.frame
                            cursor = entry.id
                            if entry.last or time.monotonic() > ends_at:
                                return
                except RedisError:
                    yield _OFFLINE
                    await self._pause(OFFLINE_SECONDS)
        finally:
            self.viewers -= 1

    async def _follow(self, run_id: str, cursor: str, *, over: bool) -> AsyncGenerator[Entry, None]:
        """What was missed, then what comes; ends when the shared reader lost this viewer or Redis."""
        async with self._watching(run_id) as queue:
            cursor, is_reset = await self._checked_cursor(run_id, cursor)
            if is_reset:
                yield Entry(cursor, f"id: {cursor}\nevent: reset\ndata: {{}}\n\n".encode())
            while missed := await self._read(run_id, cursor):
                for entry in missed:
                    yield entry
                    cursor = entry.id
            if over:
                yield Entry(cursor, _DONE, last=True)
            while (following := await _next(queue, cursor)) is not None:
                if following.frame is _PING or _place(following.id) > _place(cursor):
                    yield following
                    cursor = following.id

    @asynccontextmanager
    async def _watching(self, run_id: str) -> AsyncIterator[asyncio.Queue[Entry | None]]:
        """A queue on the run's shared reader, which lives as long as anybody watches."""
        _, tail, _ = await self._span(run_id)
        if run_id not in self._readers:
            # From the tail read just now: what lies before it, the viewer reads after this line.
            self._readers[run_id] = _Reader(asyncio.create_task(self._share(run_id, tail)))
        reader = self._readers[run_id]
        queue: asyncio.Queue[Entry | None] = asyncio.Queue()
        reader.queues.add(queue)
        try:
            yield queue
        finally:
            reader.queues.discard(queue)
            if not reader.queues and self._readers.get(run_id) is reader:
                self._stop_reader(run_id)

    async def _share(self, run_id: str, cursor: str) -> None:
        """Read new entries and hand each to all who watch."""
        try:
            while True:
                for entry in await self._read(run_id, cursor, block_ms=10_000):
                    cursor = entry.id
                    self._hand_out(self._readers[run_id], entry)
        except RedisError as error:
            log.warning("Live updates of %s pause: Redis does not answer (%s).", run_id, type(error).__name__)
            self._stop_reader(run_id)

    def _hand_out(self, reader: _Reader, entry: Entry) -> None:
        for queue in list(reader.queues):
            if queue.qsize() < MAX_BEHIND:
                queue.put_nowait(entry)
            else:
                reader.queues.discard(queue)
                queue.put_nowait(None)

    def _stop_reader(self, run_id: str) -> None:
        reader = self._readers.pop(run_id)
        reader.task.cancel()
        for queue in reader.queues:
            queue.put_nowait(None)

    async def _read(self, run_id: str, cursor: str, block_ms: int | None = None) -> list[Entry]:
        """Entries behind `cursor`, oldest first; what is not known here is passed over by the next entry's id."""
        found = await self._redis.xread({stream_key(run_id): cursor}, count=READ_COUNT, block=block_ms)
        entries = found[0][1] if found else []
        return [_encode(entry_id, fields) for entry_id, fields in entries]

    async def _checked_cursor(self, run_id: str, cursor: str) -> tuple[str, bool]:
        """The cursor to read from, and whether entries behind the given one are gone."""
        first, last, is_trimmed = await self._span(run_id)
        if cursor == "0":
            return (last, True) if is_trimmed else (cursor, False)
        if _place(first) <= _place(cursor) <= _place(last):
            return cursor, False
        return last, True

    async def _span(self, run_id: str) -> tuple[str, str, bool]:
        """The first id kept, the last id given, and whether any entry was dropped; "0" when there is no stream."""
        try:
            known = await self._redis.xinfo_stream(stream_key(run_id))
        except ResponseError:
            return "0", "0", False
        first = known["first-entry"][0] if known["first-entry"] else known["last-generated-id"]
        return first, known["last-generated-id"], known["entries-added"] > known["length"]

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return


class EventStream(StreamingResponse):
    """Server-sent events that end with their reader: a closed tab frees its queue at once."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes, None]) -> None:
        # Proxies must not collect the stream.
        super().__init__(frames, headers={"x-accel-buffering": "no"})
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        async with aclosing(self._frames):
            await self.stream_response(send)


@router.get(
    "/runs/{run_id}/stream",
    status_code=200,
    response_class=EventStream,
    tags=["runs"],
    summary="Follow a run live",
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events points, changed, reset, done."}},
)
def stream(
    run_id: IdInPath,
    request: Request,
    session: CurrentSession,
    actor: CurrentActor,
    after: Annotated[str, Query(description="Cursor: the id of the last entry seen.")] = "0",
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventStream:
    """Check that the run is the actor's; the session is closed before the first event is sent."""
    streams = cast(Streams, request.app.state.streams)
    cursor = last_event_id or after
    if not CURSOR.fullmatch(cursor):
        raise HTTPException(400, "This cursor is not of the form 1712345678901-0.")
    if streams.viewers >= MAX_VIEWERS:
        raise Unavailable("Too many pages are watching at the moment; this one looks again by itself.")
    run = runs.get_run(session, actor, run_id)
    return EventStream(streams.frames(run.id, cursor, over=run.is_over))


def announce(session: Session, wire: Wire, run: runs.Run) -> None:
    """Tell all who watch, after the commit, that a person changed the run."""
    messages = [WireMessage("changed", {})]
    if run.is_over:
        messages.append(WireMessage("done", {}))
    on_commit(session, lambda: wire.publish(run.id, messages))


async def _next(queue: "asyncio.Queue[Entry | None]", cursor: str) -> Entry | None:
    """The next entry, or a ping with the cursor as it stands."""
    try:
        async with asyncio.timeout(PING_SECONDS):
            return await queue.get()
    except TimeoutError:
        return Entry(cursor, _PING)


def _encode(entry_id: str, fields: dict[str, str]) -> Entry:
    kind = fields.get("kind", "")
    if kind not in _KINDS:
        return Entry(entry_id, b"")
    # The payload is JSON on one line: json.dumps writes line breaks as \n inside strings.
    return Entry(entry_id, f"id: {entry_id}\nevent: {kind}\ndata: {fields['payload']}\n\n".encode(), kind == "done")


def _place(entry_id: str) -> tuple[int, int]:
    """Where an entry stands: ids compare as two numbers, not as text."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)
