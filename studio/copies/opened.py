"""Read a backup, from a folder or a .tar file: its manifest first, then file by file, each hashed on the way."""

import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from studio.copies.boxes import PIECE_BYTES, Hashed
from studio.copies.manifests import MANIFEST_NAME, BackupManifest, Entry
from studio.errors import InvalidInput
from studio.storage import fsync_file, make_folders

# A manifest of a million files has about 200 MB; more is no manifest.
_MANIFEST_LIMIT_BYTES = 1 << 28
_Open = Callable[[str], BinaryIO]


@dataclass(frozen=True, slots=True)
class OpenBackup:
    """A backup whose manifest was read."""

    manifest: BackupManifest
    _open: _Open

    def copy(self, entry: Entry, target: Path) -> None:
        """Copy a file out and check it; raises InvalidInput when it is missing or not what the manifest says."""
        make_folders(target.parent)
        with self._open(entry.name) as source, target.open("wb") as stream:
            reader = Hashed(source)
            shutil.copyfileobj(reader, stream, PIECE_BYTES)
        fsync_file(target)
        if (reader.size_bytes, reader.sha256) != (entry.size_bytes, entry.sha256):
            raise InvalidInput(
                f"The backup is damaged: {entry.name} is not what was put into it. Nothing was restored."
            )


@contextmanager
def open_backup(source: Path) -> Iterator[OpenBackup]:
    """Raises InvalidInput when this is no finished backup."""
    if source.is_dir():
        opening = _from_folder(source)
        yield OpenBackup(_manifest(source, opening), opening)
        return
    try:
        tar = tarfile.open(source, "r:")  # noqa: SIM115 - closed below
    except FileNotFoundError as error:
        raise InvalidInput(f"There is no {source}.") from error
    except (tarfile.TarError, OSError) as error:
        raise InvalidInput(f"{source} is no backup: it cannot be read as a .tar file.") from error
    with tar:
        opening = _from_tar(tar)
        yield OpenBackup(_manifest(source, opening), opening)


def _manifest(source: Path, opening: _Open) -> BackupManifest:
    try:
        with opening(MANIFEST_NAME) as stream:
            return BackupManifest.model_validate_json(stream.read(_MANIFEST_LIMIT_BYTES))
    except ValidationError as error:
        raise InvalidInput(f"The manifest of {source} cannot be read; it may be of a newer version.") from error


def _from_folder(folder: Path) -> _Open:
    def opening(name: str) -> BinaryIO:
        try:
            return (folder / name).open("rb")
        except OSError as error:
            raise _absent(name) from error

    return opening


def _from_tar(tar: tarfile.TarFile) -> _Open:
    def opening(name: str) -> BinaryIO:
        try:
            stream = tar.extractfile(tar.getmember(name))
        except (KeyError, tarfile.TarError, OSError) as error:
            raise _absent(name) from error
        if stream is None:
            raise _absent(name)
        return stream  # type: ignore[return-value]

    return opening


def _absent(name: str) -> InvalidInput:
    if name == MANIFEST_NAME:
        return InvalidInput("This is no backup, or one that was never finished: it has no manifest.")
    return InvalidInput(f"The backup is damaged: {name} is not in it. Nothing was restored.")
