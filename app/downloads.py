"""Downloads of stored files: resumable by Range, and never complete unless every byte is the one that was stored."""

import asyncio
import hashlib
import logging
import os
import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import BinaryIO

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, Services
from studio import adapters
from studio.errors import NotFound, StudioError

log = logging.getLogger(__name__)
router = APIRouter()

# 64 KiB pieces give 0.2 GB/s on loopback, 1 MiB pieces five times as much.
PIECE_BYTES = 1 << 20
# Pieces made ahead of the one that is sent. With one ahead the hashing waits for the socket: 1.0 GB/s; with three it
# does not.
_AHEAD = 3
# One range. A request for several gets the whole file: multipart answers cost much and nobody needs them.
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE | re.ASCII)


class DamagedArchive(StudioError):
    """The file in storage is not the one that was put there."""

    status_code = 502
    code = "damaged"


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored file and how it is sent; `file_name` is ASCII and made by the studio, `what` is said when it is bad."""

    key: str
    sha256: str
    size_bytes: int
    file_name: str
    media_type: str
    what: str


class Download(Response):
    """A file or one range of it. Its SHA-256 is the ETag, so a resumed download never mixes two files."""

    def __init__(self, services: Services, file: Stored) -> None:
        super().__init__()
        self._storage, self._hashes = services.storage, services.hashes
        self._key, self._sha256, self._size, self._what = file.key, file.sha256, file.size_bytes, file.what
        self._tag = f'"{file.sha256}"'
        self._fixed_headers = {
            "etag": self._tag,
            "accept-ranges": "bytes",
            "content-type": file.media_type,
            "content-disposition": f'attachment; filename="{file.file_name}"',
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope)
        span = None if scope["method"] == "HEAD" else asked_range(asked, self._tag, self._size)
        if self._is_known(asked):
            await Response(status_code=304, headers={"etag": self._tag})(scope, receive, send)
        elif scope["method"] == "HEAD":
            await Response(headers=self._shown(range(self._size)))(scope, receive, send)
        elif span is not None and not span:
            headers = {"content-range": f"bytes */{self._size}"}
            await Response(status_code=416, headers=headers)(scope, receive, send)
        else:
            # Open, the file stays whole and the same, whatever happens to its name meanwhile.
            with await asyncio.to_thread(self._open) as stream:
                pieces = self._whole(stream) if span is None else self._part(stream, span)
                async with aclosing(pieces):
                    # A file of one piece is judged here, while the answer can still become an error.
                    first = await anext(pieces)
                    status, headers = (200, self._shown(range(self._size))) if span is None else self._partial(span)
                    await StreamingResponse(_joined(first, pieces), status, headers)(scope, receive, send)

    def _is_known(self, asked: Headers) -> bool:
        tags = {tag.strip().removeprefix("W/") for tag in asked.get("if-none-match", "").split(",")}
        return self._tag in tags or "*" in tags

    def _shown(self, span: range) -> dict[str, str]:
        return {**self._fixed_headers, "content-length": str(len(span))}

    def _partial(self, span: range) -> tuple[int, dict[str, str]]:
        return 206, {**self._shown(span), "content-range": f"bytes {span.start}-{span.stop - 1}/{self._size}"}

    def _open(self) -> BinaryIO:
        stream = self._storage.open(self._key)
        if os.fstat(stream.fileno()).st_size != self._size:
            stream.close()
            raise self._damaged("its size is another one")
        return stream

    async def _whole(self, stream: BinaryIO) -> AsyncGenerator[bytes, None]:
        """Every piece, hashed on the way; the last one only when the hash is the recorded one."""
        if self._hashes.of(os.fstat(stream.fileno())) not in {None, self._sha256}:
            # Known to be bad: better an error than a download that breaks off at its end.
            self._judge(await asyncio.to_thread(self._hashes.measure, stream, again=True))
        digest = hashlib.sha256()

        def read() -> bytes:
            piece = stream.read(PIECE_BYTES)
            digest.update(piece)
            return piece

        # Reading and hashing release the GIL: the next pieces are made while this one is sent.
        loop, reader = asyncio.get_running_loop(), ThreadPoolExecutor(1, "download")
        ahead = deque(loop.run_in_executor(reader, read) for _ in range(_AHEAD))
        held = b""
        try:
            while piece := await ahead.popleft():
                ahead.append(loop.run_in_executor(reader, read))
                if held:
                    yield held
                held = piece
        finally:
            reader.shutdown(wait=False, cancel_futures=True)
            await asyncio.wait(ahead)
        self._hashes.note(os.fstat(stream.fileno()), digest.hexdigest())
        self._judge(digest.hexdigest())
        yield held

    async def _part(self, stream: BinaryIO, span: range) -> AsyncGenerator[bytes, None]:
        """A range of a file that was found good as a whole, at least once since it last changed."""
        self._judge(await asyncio.to_thread(self._hashes.measure, stream))
        await asyncio.to_thread(stream.seek, span.start)
        left = len(span)
        while left:
            piece = await asyncio.to_thread(stream.read, min(PIECE_BYTES, left))
            if not piece:
                raise self._damaged("it was cut while it was read")
            left -= len(piece)
            yield piece

    def _judge(self, found: str) -> None:
        if found != self._sha256:
            raise self._damaged(f"its SHA-256 is {found} instead of {self._sha256}")

    def _damaged(self, what: str) -> DamagedArchive:
        log.error("%s is damaged: %s.", self._key, what)
        return DamagedArchive(
            f"The stored file of this {self._what} is damaged and is not sent. Restore it from a backup."
        )


def asked_range(asked: Headers, tag: str, size: int) -> range | None:
    """The bytes that are asked for: none of them when the range lies behind the end, None when there is no range.

    A range that cannot be read is ignored (RFC 9110, 14.2), and so is one of another file (If-Range, 13.1.5).
    """
    found = _RANGE.fullmatch(asked.get("range", ""))
    if found is None or asked.get("if-range", tag) != tag:
        return None
    first, last = found.groups()
    if not first:
        return range(max(size - int(last), 0), size) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def archive_problem(services: Services, adapter: adapters.Adapter) -> str:
    """What is known to be wrong with the stored file, without reading it; empty when nothing is."""
    try:
        status = services.storage.path(adapter.storage_key).stat()
    except (NotFound, FileNotFoundError):
        return "The file of this adapter is missing from the data folder."
    if status.st_size != adapter.size_bytes or services.hashes.of(status) not in {None, adapter.sha256}:
        return "The stored file of this adapter is damaged: it is not the one that was put there."
    return ""


@router.head("/adapters/{adapter_id}/archive", include_in_schema=False)
@router.get(
    "/adapters/{adapter_id}/archive",
    tags=["adapters"],
    summary="Download an adapter",
    status_code=200,
    response_class=Download,
    responses={200: {"content": {"application/zip": {}}}, 206: {"description": "The range that was asked for."}},
)
def download_archive(
    adapter_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> Download:
    """Send the adapter's zip."""
    adapter = adapters.get_adapter(session, actor, adapter_id)
    return Download(
        services,
        Stored(
            key=adapter.storage_key,
            sha256=adapter.sha256,
            size_bytes=adapter.size_bytes,
            file_name=adapter.file_name,
            media_type="application/zip",
            what="adapter",
        ),
    )
