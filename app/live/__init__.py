"""Live updates: what is new in a run, as server-sent events read from SQL; Redis only says when to look.

The ids of events are the run's sequence numbers, so a browser that was away is told what it missed, whatever has been
restarted meanwhile. A stream ends with those who watch it.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, cast

from fastapi import APIRouter, Header, HTTPException, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.deps import CurrentActor, CurrentSession, IdInPath
from app.live import streams
from app.live.streams import Streams
from studio import runs
from studio.db import on_commit
from studio.errors import Unavailable
from studio.wire import Wire

__all__ = ["EventStream", "Streams", "announce", "router"]

router = APIRouter()

# Who has missed more numbers than this reads the histories again, thinned to what a chart can show.
MAX_MISSED = 20_000
_NUMBER = re.compile(r"[0-9]{1,19}")
# What pages of version 0.1 hold: the id of an entry in Redis.
_OLD_CURSOR = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")


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
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Events points, changed, reset, done and ping."}
    },
)
def stream(
    run_id: IdInPath,
    request: Request,
    session: CurrentSession,
    actor: CurrentActor,
    after: Annotated[str, Query(description="Cursor: the number of the last event seen.")] = "0",
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventStream:
    """Check that the run is the actor's; the session is closed before the first event is sent."""
    found = cast(Streams, request.app.state.streams)
    cursor = _number_of(last_event_id or after)
    if found.viewers >= streams.MAX_VIEWERS:
        raise Unavailable("Too many pages are watching at the moment; this one looks again by itself.")
    run = runs.get_run(session, actor, run_id)
    if cursor is not None and not run.last_seq - MAX_MISSED <= cursor <= run.last_seq:
        cursor = None
    return EventStream(found.frames(run.id, cursor, is_back=bool(last_event_id)))


def announce(session: Session, wire: Wire, run: runs.Run) -> None:
    """Tell all who watch, after the commit, that a person changed the run."""
    on_commit(session, lambda: wire.poke(run.id))


def _number_of(cursor: str) -> int | None:
    """The sequence number that a cursor names; None for one that an older version gave out."""
    if _OLD_CURSOR.fullmatch(cursor):
        return None
    if not _NUMBER.fullmatch(cursor) or (number := int(cursor)) >= 2**63:
        raise HTTPException(400, "This cursor is not the number of an event.")
    return number
