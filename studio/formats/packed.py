"""Several Parquet files in one: a ZIP archive that packs nothing, so that each is read in its place."""

import io
import os
import zipfile
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, cast

from studio.formats.problems import FileProblem

_LOCAL_HEADER_BYTES = 30
_DAMAGED = "The archive of Parquet files is damaged; fetch it again."


@dataclass(frozen=True, slots=True)
class Part:
    """A Parquet file: a whole file, or `size_bytes` of one from `begin`; its folder in the archive names its split."""

    name: str
    path: Path
    begin: int = 0
    size_bytes: int | None = None

    @property
    def split(self) -> str:
        """Such as `train`."""
        return self.name.partition("/")[0]

    def open(self) -> BinaryIO:
        """Its bytes alone."""
        if self.size_bytes is None:
            return self.path.open("rb")
        return cast(BinaryIO, io.BufferedReader(_Window(self.path, self.begin, self.size_bytes), 1 << 16))


def packed_parts(path: Path) -> list[Part]:
    """The files of an archive, in its order; raises FileProblem."""
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as stream:
            return [_part(path, entry, stream) for entry in archive.infolist()]
    except zipfile.BadZipFile as error:
        raise FileProblem(_DAMAGED) from error


class PartCounter:
    """Counts the good rows of each part, of which only the others are told."""

    def __init__(self, parts: Sequence[tuple[str, int]]) -> None:
        self._names = [name for name, _ in parts]
        self._last_rows = list(accumulate(count for _, count in parts))
        self._good = [count for _, count in parts]

    def leave_out(self, number: int) -> None:
        """The row of this number, from 1, is not good."""
        if self._names:
            self._good[bisect_left(self._last_rows, number)] -= 1

    @property
    def good_rows(self) -> dict[str, int]:
        """How many good rows each part has."""
        return dict(zip(self._names, self._good, strict=True))


class _Window(io.RawIOBase):
    """Some bytes of a file, as if they were one."""

    def __init__(self, path: Path, begin: int, size_bytes: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._begin = begin
        self._size_bytes = size_bytes
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size_bytes}[whence])
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")
        self._file.seek(self._begin + self._at)
        read = self._file.readinto(view[: max(0, self._size_bytes - self._at)]) or 0
        self._at += read
        return read

    def close(self) -> None:
        self._file.close()
        super().close()


def _part(path: Path, entry: zipfile.ZipInfo, stream: BinaryIO) -> Part:
    stream.seek(entry.header_offset)
    header = stream.read(_LOCAL_HEADER_BYTES)
    if entry.compress_type != zipfile.ZIP_STORED or len(header) < _LOCAL_HEADER_BYTES:
        raise FileProblem(_DAMAGED)
    # The lengths of the entry's name and of what else stands before its bytes.
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return Part(entry.filename, path, entry.header_offset + _LOCAL_HEADER_BYTES + lengths, entry.file_size)
