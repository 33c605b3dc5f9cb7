"""Receive one uploaded file: straight to disk under a name of our own, hashed and measured on the way."""

import hashlib
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from studio import formats
from studio.errors import TooLarge
from studio.storage import disk_space_told

FILE_NAME_CHARACTERS = 255
_ENDING_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class ReceivedUpload:
    """A whole file in the folder of uploads; `file_name` is for showing only."""

    path: Path
    file_name: str
    size_bytes: int
    sha256: str

    def discard(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


class Receiver:
    """Takes the body of a request in pieces; leaving the block before `finish` removes the file."""

    def __init__(self, uploads_dir: Path, file_name: str, limit_bytes: int) -> None:
        self._path = uploads_dir / f"{uuid.uuid4()}.upload"
        self._file_name = display_name(file_name)
        self._limit_bytes = limit_bytes
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        self._stream: BinaryIO | None = None
        self._finished = False

    def __enter__(self) -> "Receiver":
        with disk_space_told():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._path.open("xb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close()
        finally:
            if not self._finished:
                self._path.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        """Add a piece; raises TooLarge and StorageFull."""
        self._size_bytes += len(chunk)
        if self._size_bytes > self._limit_bytes:
            raise TooLarge(f"The file is larger than {self._limit_bytes:,} bytes, which is the limit.")
        self._digest.update(chunk)
        with disk_space_told():
            self._open_stream().write(chunk)

    def finish(self) -> ReceivedUpload:
        """Close the file and keep it; whoever takes the result removes it."""
        with disk_space_told():
            self._open_stream().flush()
            self._close()
        self._finished = True
        return ReceivedUpload(
            path=self._path,
            file_name=self._file_name,
            size_bytes=self._size_bytes,
            sha256=self._digest.hexdigest(),
        )

    def _open_stream(self) -> BinaryIO:
        if self._stream is None:
            raise RuntimeError("a Receiver is written to inside its with block, before finish")
        return self._stream

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


def display_name(file_name: str) -> str:
    """Reduce a client's file name to its last part, in characters that can be shown."""
    last = file_name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    name = formats.shown(last, len(last) + 1).strip() or "upload"
    if len(name) <= FILE_NAME_CHARACTERS:
        return name
    ending = name[-_ENDING_CHARACTERS:]
    return f"{name[: FILE_NAME_CHARACTERS - len(ending) - 1]}…{ending}"


def discard_leftovers(uploads_dir: Path, older_than_seconds: float = 0.0) -> int:
    """Remove what a killed process left among the uploads, and count it; call it at start-up."""
    count = 0
    for left in uploads_dir.iterdir() if uploads_dir.is_dir() else ():
        if time.time() - left.stat().st_mtime < older_than_seconds:
            continue
        shutil.rmtree(left) if left.is_dir() else left.unlink()
        count += 1
    return count
