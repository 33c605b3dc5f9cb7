"""Receives one file from the Hub: not a byte more than its listing says, and only with the hash of its listing."""

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import httpx2
from huggingface_hub.utils import hf_raise_for_status, http_stream_backoff

from worker.hub_rows.choose import HubFile
from worker.hub_rows.order import CannotFetch

_ATTEMPTS = 6
_SILENCE_SECONDS = 30.0
_PIECE_BYTES = 1 << 20


class Receiver:
    """Takes a file in one or several attempts; one that broke off goes on where it stopped."""

    def __init__(self, file: HubFile, headers: Mapping[str, str], tell: Callable[[int], None]) -> None:
        """`tell` is given the number of bytes of each piece, negative where some have to come again."""
        self._file = file
        # Unpacked on the way, a file would have another size than its listing says.
        self._headers = {**headers, "Accept-Encoding": "identity"}
        self._tell = tell
        self._begin_anew()

    def receive(self, url: str, target: Path, retry_seconds: float) -> None:
        """Write it to `target`; raises CannotFetch, or what the Hub's library raises."""
        with target.open("wb") as stream:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    self._stream(url, stream)
                    break
                except httpx2.TransportError:
                    if attempt == _ATTEMPTS:
                        raise
                    time.sleep(retry_seconds)
        self._check()

    def _begin_anew(self) -> None:
        self._size_bytes = 0
        # Git hashes a file together with its kind and its size.
        header = b"" if self._file.sha256 else b"blob %d\0" % self._file.size_bytes
        self._digest = hashlib.new("sha256" if self._file.sha256 else "sha1", header, usedforsecurity=False)

    def _stream(self, url: str, stream: BinaryIO) -> None:
        begun = {"Range": f"bytes={self._size_bytes}-"} if self._size_bytes else {}
        with http_stream_backoff(
            "GET", url, headers=self._headers | begun, timeout=_SILENCE_SECONDS, retry_on_exceptions=(), max_retries=2
        ) as response:
            hf_raise_for_status(response)
            if begun and response.status_code != 206:
                self._tell(-self._size_bytes)
                self._begin_anew()
                stream.seek(0)
                stream.truncate()
            for piece in response.iter_bytes(_PIECE_BYTES):
                self._take(piece, stream)

    def _take(self, piece: bytes, stream: BinaryIO) -> None:
        self._size_bytes += len(piece)
        if self._size_bytes > self._file.size_bytes:
            raise CannotFetch(f"{self._file.path} is longer than the {self._file.size_bytes:,} bytes of its listing.")
        stream.write(piece)
        self._digest.update(piece)
        self._tell(len(piece))

    def _check(self) -> None:
        file = self._file
        if self._size_bytes < file.size_bytes:
            raise CannotFetch(f"{file.path} has {self._size_bytes:,} bytes; its listing says {file.size_bytes:,}.")
        if self._digest.hexdigest() != (file.sha256 or file.git_sha1):
            raise CannotFetch(f"{file.path} arrived with another hash than that of its listing. Try it again later.")
