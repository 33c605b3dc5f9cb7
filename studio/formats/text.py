"""Lines of UTF-8 text: cut at line feeds only, never longer than the limit, with the place of a fault."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from studio.formats.kinds import HEAD_BYTES, refuse_foreign
from studio.formats.limits import ImportLimits
from studio.formats.problems import FileProblem

BOM = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# All that is made of a block stays under 128 KiB, where glibc would fetch fresh pages from the system for each piece:
# a third of the time went there with blocks of 256 KiB.
_BLOCK_BYTES = 1 << 15
_LONE_CR = re.compile(r"\r(?!\n)")


class TextSource:
    """The pieces of a text file after its byte order mark; `first_byte` is where they begin in the file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        head = _head(pieces)
        refuse_foreign(head)
        if head.startswith(_UTF16_MARKS):
            raise FileProblem("The file is not UTF-8 at byte 0: it looks like UTF-16. Save it as UTF-8.")
        self.first_byte = len(BOM) if head.startswith(BOM) else 0
        self.head = head[self.first_byte :]
        self._rest = pieces

    def pieces(self) -> Iterator[bytes]:
        """All pieces, once; raises FileProblem at the first NUL byte."""
        offset = self.first_byte
        for piece in chain((self.head,), self._rest):
            nul = piece.find(b"\0")
            if nul >= 0:
                raise FileProblem(
                    f"There is a NUL at byte {offset + nul}; text holds none. Is the file binary, or UTF-16?"
                )
            offset += len(piece)
            yield piece


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Whole lines as they lie in the file, without their line feeds; `offset` is where the first begins."""

    offset: int
    lines: list[bytes]


def line_blocks(source: TextSource, limits: ImportLimits) -> Iterator[LineBlock]:
    """Cut at line feeds, a small piece of the file at a time; raises FileProblem."""
    offset, held, held_bytes = source.first_byte, [b""], 0
    for piece in _small(source.pieces()):
        begun, *rest = piece.split(b"\n")
        held.append(begun)
        held_bytes += len(begun)
        if rest:
            *lines, last = b"".join(held), *rest
            yield LineBlock(offset, lines)
            offset += held_bytes + len(piece) - len(begun) - len(last)
            held, held_bytes = [last], len(last)
        refuse_long(held_bytes, offset, limits)
    if held_bytes:
        yield LineBlock(offset, [b"".join(held)])


def _small(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), _BLOCK_BYTES):
            yield piece[start : start + _BLOCK_BYTES]


def text_lines(source: TextSource, limits: ImportLimits) -> Iterator[str]:
    """Cut into lines without their ends; only LF and CRLF end a line."""
    for block in line_blocks(source, limits):
        offset = block.offset
        for line in block.lines:
            yield text_line(line, offset, limits)
            offset += len(line) + 1


def decoded(raw: bytes, offset: int) -> str:
    """Decode UTF-8; `offset` is where `raw` begins in the file."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileProblem(
            f"The file is not UTF-8 at byte {offset + error.start}. Save it as UTF-8 and upload it again."
        ) from error
    if "\r" in text and (lone := _LONE_CR.search(text)):
        before = len(text[: lone.start()].encode())
        raise FileProblem(
            f"There is a lone carriage return at byte {offset + before}; save the file with LF or CRLF line ends."
        )
    return text


def refuse_long(length: int, offset: int, limits: ImportLimits) -> None:
    """Raise FileProblem if a line or row is longer than the limit."""
    if length > limits.row_bytes:
        raise FileProblem(f"The line or row that begins at byte {offset} is longer than {limits.row_bytes:,} bytes.")


def text_line(raw: bytes, offset: int, limits: ImportLimits) -> str:
    """One line that begins at `offset`, decoded and without its carriage return; raises FileProblem."""
    refuse_long(len(raw), offset, limits)
    return decoded(raw.removesuffix(b"\r"), offset)


def _head(pieces: Iterator[bytes]) -> bytes:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= HEAD_BYTES:
            break
    return head
