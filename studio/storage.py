"""Finished files: written whole (temporary name, fsync, rename), addressed by a key, never changed."""

import errno
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from studio.errors import NotFound, StorageFull

_MISSING = "The file of this row is missing from the data folder; restore it from a backup."


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is known of a stored file."""

    key: str
    sha256: str
    size_bytes: int


class Storage(Protocol):
    """A few verbs, so that a local folder and an object store are the same to everyone else."""

    def put(self, source: Path, key: str) -> StoredFile:
        """Store a copy of `source` under `key`; the same key and content twice is no error."""

    def take(self, source: Path, key: str) -> None:
        """Store `source` itself under `key`, without a copy where that can be; it is gone afterwards."""

    def open(self, key: str) -> BinaryIO:
        """Open for reading; raises NotFound."""

    def path(self, key: str) -> Path:
        """A local path of the file, for readers that need one; raises NotFound."""

    def delete(self, key: str) -> None:
        """Remove; absent is no error."""

    def adding(self) -> AbstractContextManager[None]:
        """A block that puts files and commits their rows; nobody discards a file meanwhile."""

    def discard(self, key: str, is_named: Callable[[], bool]) -> bool:
        """Remove a file unless a row names it or someone is adding files just now; says whether it is gone."""


class LocalStorage:
    """Storage in a folder. Keys are made by the studio from ids and hashes, never by a client."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, source: Path, key: str) -> StoredFile:
        """Copy, hash, fsync and rename into place."""
        target = self._resolve(key)
        with disk_space_told():
            make_folders(target.parent)
            # Two processes, or two threads of one, may store the same content at the same moment.
            temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
            try:
                digest, size = _copy(source, temporary)
                temporary.replace(target)
                fsync_dir(target.parent)
            finally:
                temporary.unlink(missing_ok=True)
        return StoredFile(key=key, sha256=digest, size_bytes=size)

    def take(self, source: Path, key: str) -> None:
        """Fsync and rename into place; from another disk it is copied."""
        target = self._resolve(key)
        with disk_space_told():
            make_folders(target.parent)
            fsync_file(source)
            try:
                source.replace(target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self.put(source, key)
                source.unlink()
            fsync_dir(target.parent)

    def open(self, key: str) -> BinaryIO:
        """Open for reading."""
        path = self.path(key)
        try:
            return path.open("rb")
        except FileNotFoundError as error:
            raise NotFound(_MISSING) from error

    def path(self, key: str) -> Path:
        """The file's path, if it is there."""
        path = self._resolve(key)
        if not path.is_file():
            raise NotFound(_MISSING)
        return path

    def delete(self, key: str) -> None:
        """Remove the file."""
        self._resolve(key).unlink(missing_ok=True)

    def adding(self) -> AbstractContextManager[None]:
        """Share the lock; waits for a discarder, who holds it for milliseconds."""
        return self._locked(fcntl.LOCK_SH)

    def discard(self, key: str, is_named: Callable[[], bool]) -> bool:
        """Remove a file under the lock; what cannot be removed now is left to the next sweep."""
        try:
            with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                if is_named():
                    return False
                self.delete(key)
                return True
        except BlockingIOError:
            return False

    @contextmanager
    def _locked(self, mode: int) -> Iterator[None]:
        with disk_space_told():
            make_folders(self.root)
            lock = self.root.with_name(f"{self.root.name}.lock").open("a")
        with lock:
            fcntl.flock(lock, mode)
            yield

    def _resolve(self, key: str) -> Path:
        path = (self.root / key).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise NotFound("No such file.")
        return path


@contextmanager
def disk_space_told() -> Iterator[None]:
    """Turn "no space left" of the body into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull("The disk is full. Free some space in the data folder and try again.") from error
        raise


def sha256_of(path: Path, check: Callable[[], None] | None = None) -> str:
    """Hex SHA-256 of a file; `check` is called at every 8 MiB and may raise to give up."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(8 << 20):
            digest.update(piece)
            if check is not None:
                check()
    return digest.hexdigest()


def make_folders(folder: Path) -> None:
    """Make a folder and its parents so that they survive a power cut too."""
    if not folder.is_dir():
        make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
        fsync_dir(folder.parent)


def fsync_dir(folder: Path) -> None:
    """Make a rename inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_above(path: Path) -> None:
    """Make `path` survive a power cut where the folders above it may be new too: up to the data folder, that is five
    for a checkpoint (checkpoints, attempt, run, runs, data folder)."""
    for folder in path.parents[:5]:
        fsync_dir(folder)


def fsync_file(path: Path) -> None:
    """Make what was written to a closed file survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(folder: Path) -> int:
    """Free space on the disk that holds `folder` or its nearest existing parent."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _copy(source: Path, target: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    with source.open("rb") as reading, target.open("wb") as writing:
        while piece := reading.read(1 << 20):
            digest.update(piece)
            writing.write(piece)
            size += len(piece)
        writing.flush()
        os.fsync(writing.fileno())
    return digest.hexdigest(), size
