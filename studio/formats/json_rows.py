"""JSON files: one object a line, or one array of objects; the first character decides, not the name."""

import re
from collections.abc import Iterator

from studio.formats.limits import ImportLimits
from studio.formats.problems import FileProblem
from studio.formats.strict_json import object_reader
from studio.formats.tables import RawRow, Table
from studio.formats.text import TextSource, decoded, refuse_long, text_lines

# Everything up to the next mark that matters; a quote as the mark is one that is not closed yet. Inside an
# element commas do not matter, which saves half of the steps. Possessive: no input is looked at twice.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_BETWEEN = re.compile(rb"(?:[^\[\]{},\"]++|" + _STRING + rb")*+[\[\]{},\"]", re.DOTALL)
_INSIDE = re.compile(rb"(?:[^\[\]{}\"]++|" + _STRING + rb")*+[\[\]{}\"]", re.DOTALL)
_BLANK = b" \t\r\n"
_OPENING, _CLOSING, _COMMA, _QUOTE = b"[{", b"]}", ord(","), ord('"')


def json_table(source: TextSource, limits: ImportLimits) -> Table:
    """Open JSON Lines or a JSON array."""
    rows = _array_rows(source, limits) if is_array(source) else _line_rows(source, limits)
    return Table(rows=rows, decode=object_reader(limits))


def is_array(source: TextSource) -> bool:
    """Whether the file is one array, not lines."""
    return source.head.lstrip(_BLANK).startswith(b"[")


def _line_rows(source: TextSource, limits: ImportLimits) -> Iterator[RawRow]:
    number = 0
    for line, text in enumerate(text_lines(source, limits), start=1):
        if text and not text.isspace():
            number += 1
            yield RawRow(number, line, text)


def _array_rows(source: TextSource, limits: ImportLimits) -> Iterator[RawRow]:
    cutter = _ArrayCutter(source.first_byte, limits)
    number = 0
    for piece in source.pieces():
        for element in cutter.feed(piece):
            number += 1
            yield RawRow(number, None, element)
    cutter.finish()


class _ArrayCutter:
    """Cuts an array that arrives in pieces into its elements, holding one element at most."""

    def __init__(self, first_byte: int, limits: ImportLimits) -> None:
        self._limits = limits
        self._held = b""
        self._held_at = first_byte
        self._begin = 0  # of the present element, within what is held
        self._next = 0  # what has been looked at, within what is held
        self._depth = 0
        self._elements = 0
        self._ended = False

    def feed(self, piece: bytes) -> Iterator[str]:
        """Take one more piece and give the elements that end in it."""
        self._drop_used()
        self._held += piece
        while token := (_INSIDE if self._depth > 1 else _BETWEEN).match(self._held, self._next):
            at = token.end() - 1
            mark = self._held[at]
            if mark == _QUOTE or self._ended:
                break
            self._next = at + 1
            yield from self._take(mark, at)
        refuse_long(len(self._held) - self._begin, self._held_at + self._begin, self._limits)
        self._refuse_tail()

    def finish(self) -> None:
        """Raise FileProblem if the array was never closed."""
        if not self._ended:
            raise FileProblem(f"The file ends in the middle of row {self._elements + 1}; it is incomplete.")

    def _take(self, mark: int, at: int) -> Iterator[str]:
        if mark in _OPENING:
            self._descend(at)
        elif mark in _CLOSING:
            self._depth -= 1
        if self._depth == 0:
            self._ended = True
            if self._elements or self._held[self._begin : at].strip(_BLANK):
                yield self._element(at)
            self._begin = at + 1
        elif self._depth == 1 and mark == _COMMA:
            yield self._element(at)

    def _descend(self, at: int) -> None:
        self._depth += 1
        if self._depth == 1:
            self._begin = at + 1
        elif self._depth > self._limits.depth_levels + 1:
            raise FileProblem(f"Row {self._elements + 1} is nested deeper than {self._limits.depth_levels} levels.")

    def _element(self, end: int) -> str:
        begin, self._begin = self._begin, end + 1
        self._elements += 1
        refuse_long(end - begin, self._held_at + begin, self._limits)
        return decoded(self._held[begin:end], self._held_at + begin)

    def _drop_used(self) -> None:
        self._held = self._held[self._begin :]
        self._held_at += self._begin
        self._next = max(0, self._next - self._begin)
        self._begin = 0

    def _refuse_tail(self) -> None:
        if self._ended and self._held[self._begin :].strip(_BLANK):
            raise FileProblem(f"There is something after the end of the array, at byte {self._held_at + self._begin}.")
