"""SHA-256 of files that this process has read to their end, remembered while inode, time and size stay the same."""

import hashlib
import os
import threading
from typing import BinaryIO

_PIECE_BYTES = 1 << 20
_MOST = 10_000
_Identity = tuple[int, int, int, int]


class KnownHashes:
    """Stored files never change, so one reading tells what all later ones would, until a file is replaced."""

    def __init__(self) -> None:
        self._known: dict[_Identity, str] = {}
        self._lock = threading.Lock()

    def of(self, status: os.stat_result) -> str | None:
        """The hash of a file that was read before; None when it was not, or has changed since."""
        with self._lock:
            return self._known.get(_identity(status))

    def note(self, status: os.stat_result, sha256: str) -> None:
        """Remember the hash of a file that was read to its end."""
        with self._lock:
            if len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            self._known[_identity(status)] = sha256

    def measure(self, stream: BinaryIO, *, again: bool = False) -> str:
        """The hash of an open file, read now unless it is known; `again` reads it in any case."""
        status = os.fstat(stream.fileno())
        known = None if again else self.of(status)
        if known is None:
            digest, place = hashlib.sha256(), 0
            while piece := os.pread(stream.fileno(), _PIECE_BYTES, place):
                digest.update(piece)
                place += len(piece)
            known = digest.hexdigest()
            self.note(status, known)
        return known


def _identity(status: os.stat_result) -> _Identity:
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
