"""Bytes of a file in pieces, unpacked if need be, never more than the limits allow."""

import zlib
from collections.abc import Iterator
from pathlib import Path

from studio.formats.kinds import GZIP_MAGIC
from studio.formats.limits import ImportLimits
from studio.formats.problems import FileProblem, OverLimit, UnreadableKind
from studio.formats.telling import Tell, say_nothing

PIECE_BYTES = 1 << 18


def file_pieces(path: Path, tell: Tell = say_nothing) -> Iterator[bytes]:
    """Read a file in pieces, telling how many of its bytes were read."""
    done, total = 0, path.stat().st_size
    with path.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            done += len(piece)
            tell(done, total)
            yield piece


def unpacked_pieces(path: Path, gzipped: bool, limits: ImportLimits, tell: Tell = say_nothing) -> Iterator[bytes]:
    """Read a file in pieces, through gzip if it is packed; raises OverLimit and FileProblem."""
    packed = file_pieces(path, tell)
    size = 0
    for piece in _Gunzip(limits).pieces(packed) if gzipped else packed:
        size += len(piece)
        if size > limits.unpacked_limit_bytes:
            raise OverLimit(f"The file expands beyond {limits.unpacked_limit_bytes:,} bytes, which is the limit.")
        yield piece


def expands(ratio: int) -> str:
    """Say that a file unpacks to more than is believable."""
    return f"The file expands beyond {ratio} times its packed size; upload the rows as plain JSON Lines."


class _Gunzip:
    """Unpacks gzip members one after another and watches how far they expand."""

    def __init__(self, limits: ImportLimits) -> None:
        self._limits = limits
        self._read_bytes = 0
        self._unpacked_bytes = 0

    def pieces(self, packed: Iterator[bytes]) -> Iterator[bytes]:
        """Unpack all members; anything else after a member is refused."""
        member = None
        for piece in packed:
            if self._read_bytes == 0 and not piece.startswith(GZIP_MAGIC):
                raise UnreadableKind("The name ends in .gz, yet this is not a gzip file.")
            self._read_bytes += len(piece)
            while piece:
                member = self._next_member(piece) if member is None or member.eof else member
                yield self._unpack(member, piece)
                piece = member.unused_data if member.eof else member.unconsumed_tail
        if member is not None and not member.eof:
            raise FileProblem("The gzip data ends early; the file is incomplete. Pack or upload it again.")

    def _next_member(self, piece: bytes) -> "zlib._Decompress":
        if self._unpacked_bytes and not GZIP_MAGIC.startswith(piece[:2]):
            raise FileProblem("There is something else after the end of the gzip data; pack the file again.")
        return zlib.decompressobj(wbits=31)

    def _unpack(self, member: "zlib._Decompress", piece: bytes) -> bytes:
        try:
            unpacked = member.decompress(piece, PIECE_BYTES)
        except zlib.error as error:
            raise FileProblem("The gzip data is damaged; pack or upload the file again.") from error
        self._unpacked_bytes += len(unpacked)
        limits = self._limits
        allowed = max(limits.gzip_free_bytes, limits.expansion_ratio * self._read_bytes)
        if self._unpacked_bytes > allowed:
            raise OverLimit(expands(limits.expansion_ratio))
        return unpacked
