"""Limits on request bodies, kept before any parser sees a byte."""

import asyncio
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DEFAULT_LIMIT_BYTES = 1 << 20
# What a multipart body holds beside the file: boundaries, part headers, small fields.
UPLOAD_SLACK_BYTES = 1 << 20
IDLE_SECONDS = 30.0


class BodyLimit:
    """Counts the bytes that arrive, whatever Content-Length says, and refuses senders that fall silent.

    `limits` holds the larger limits by method and path.
    """

    def __init__(self, app: ASGIApp, limits: Mapping[tuple[str, str], int], idle_seconds: float = IDLE_SECONDS) -> None:
        self._app = app
        self._limits = limits
        self._idle_seconds = idle_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.get((scope["method"], scope["path"]), DEFAULT_LIMIT_BYTES)
        _check_announced(Headers(scope=scope).get("content-length"), limit)
        await self._app(scope, self._counted(receive, limit), send)

    def _counted(self, receive: Receive, limit: int) -> Receive:
        received = 0
        complete = False

        async def counted() -> Message:
            nonlocal received, complete
            if complete:
                # What comes now is the disconnect, which may take as long as a stream is watched.
                return await receive()
            try:
                async with asyncio.timeout(self._idle_seconds):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408) from None
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > limit:
                raise _too_large(limit)
            return message

        return counted


def _check_announced(content_length: str | None, limit: int) -> None:
    if content_length is None:
        return
    if not (content_length.isascii() and content_length.isdigit()):
        raise HTTPException(400)
    if len(content_length) > 18 or int(content_length) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"What was sent is larger than {limit:,} bytes, which is the limit here.")
