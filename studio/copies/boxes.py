"""Where a backup is put: a folder, or one .tar file."""

import hashlib
import io
import os
import shutil
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from studio.copies.manifests import MANIFEST_NAME, BackupManifest, Entry
from studio.errors import Conflict
from studio.storage import disk_space_told, fsync_dir, make_folders

PIECE_BYTES = 1 << 20


class Box(ABC):
    """A backup that is being made, under a name that says so."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._partial = target.with_name(f".{target.name}.partial")

    @abstractmethod
    def add(self, name: str, source: BinaryIO) -> Entry:
        """Copy an open file from where it stands, as long as it is now, and say what was copied."""

    @abstractmethod
    def finish(self, manifest: BackupManifest) -> None:
        """Write the manifest and give the backup its name."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what was not finished."""


class FolderBox(Box):
    """A folder with the files as they lie in the data folder."""

    def __init__(self, target: Path) -> None:
        super().__init__(target)
        make_folders(self._partial)

    def add(self, name: str, source: BinaryIO) -> Entry:
        path = self._partial / name
        make_folders(path.parent)
        reader = Hashed(source)
        with path.open("wb") as stream:
            shutil.copyfileobj(reader, stream, PIECE_BYTES)
            stream.flush()
            os.fsync(stream.fileno())
        return Entry(name=name, size_bytes=reader.size_bytes, sha256=reader.sha256)

    def finish(self, manifest: BackupManifest) -> None:
        # What an earlier round copied and the last snapshot no longer names.
        wanted = {self._partial / entry.name for entry in (*manifest.files, manifest.database)}
        for path in self._partial.rglob("*"):
            if path.is_file() and path not in wanted:
                path.unlink()
        self.add(MANIFEST_NAME, io.BytesIO(manifest.to_bytes()))
        fsync_dir(self._partial)
        if self._target.is_dir():
            self._target.rmdir()
        self._partial.rename(self._target)
        fsync_dir(self._target.parent)

    def discard(self) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)


class TarBox(Box):
    """One file, written from its beginning to its end."""

    def __init__(self, target: Path) -> None:
        super().__init__(target)
        self._file = self._partial.open("wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - finish, discard

    def add(self, name: str, source: BinaryIO) -> Entry:
        entry = tarfile.TarInfo(name)
        entry.size = _length(source)
        entry.mode = 0o600
        reader = Hashed(source)
        self._tar.addfile(entry, reader)
        return Entry(name=name, size_bytes=reader.size_bytes, sha256=reader.sha256)

    def finish(self, manifest: BackupManifest) -> None:
        self.add(MANIFEST_NAME, io.BytesIO(manifest.to_bytes()))
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial.rename(self._target)
        fsync_dir(self._target.parent)

    def discard(self) -> None:
        self._file.close()
        self._partial.unlink(missing_ok=True)


@contextmanager
def new_box(target: Path) -> Iterator[Box]:
    """A backup to fill; what is not finished at the end of the block is removed. Raises Conflict, StorageFull."""
    if target.exists() and not (target.is_dir() and not any(target.iterdir()) and target.suffix != ".tar"):
        raise Conflict(f"{target} is there already. Name a new folder, or a new file that ends in .tar.")
    with disk_space_told():
        make_folders(target.parent)
        box = TarBox(target) if target.suffix == ".tar" else FolderBox(target)
        try:
            yield box
        except BaseException:
            box.discard()
            raise


class Hashed:
    """Reads an open file and hashes what was read."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        """The next piece."""
        piece = self._source.read(size)
        self._digest.update(piece)
        self.size_bytes += len(piece)
        return piece

    @property
    def sha256(self) -> str:
        """Of all pieces so far."""
        return self._digest.hexdigest()


def _length(source: BinaryIO) -> int:
    here = source.tell()
    end = source.seek(0, os.SEEK_END)
    source.seek(here)
    return end - here
