"""CSV and TSV: a header line, then one row of cells for each record."""

import csv
from collections.abc import Iterator

from studio.formats.limits import ImportLimits
from studio.formats.problems import FileProblem, RowProblem, quoted
from studio.formats.tables import RawRow, Table
from studio.formats.text import TextSource, text_lines

_RAGGED = "has {found} cells, yet the header names {wanted} columns"


def delimited_table(source: TextSource, file_format: str, limits: ImportLimits) -> Table:
    """Open CSV (comma or semicolon, whichever the header has more of) or TSV."""
    csv.field_size_limit(limits.string_characters)
    delimiter = "\t" if file_format == "tsv" else _csv_delimiter(source.head)
    records = _Records(source, delimiter, limits)
    header = _header(records, limits)

    def decode(cells: list[str]) -> dict[str, str]:
        if len(cells) != len(header):
            raise RowProblem(_RAGGED.format(found=len(cells), wanted=len(header)))
        return dict(zip(header, cells, strict=True))

    return Table(rows=records.rows(), decode=decode, columns=header)


class _Records:
    """Records of a delimited file, each with the line it begins at."""

    def __init__(self, source: TextSource, delimiter: str, limits: ImportLimits) -> None:
        self._limits = limits
        self._line = 0
        self._record_line = 1
        self._record_characters = 0
        self._reader = csv.reader(self._lines(source), delimiter=delimiter, strict=True)

    def next(self) -> list[str] | None:
        """The next record that is not blank, or None at the end."""
        while True:
            self._record_line = self._line + 1
            self._record_characters = 0
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                raise FileProblem(self._explained(error)) from error
            if cells is None or cells:
                return cells

    def rows(self) -> Iterator[RawRow]:
        """All records that are left, numbered from 1."""
        number = 0
        while (cells := self.next()) is not None:
            number += 1
            yield RawRow(number, self._record_line, cells)

    def _lines(self, source: TextSource) -> Iterator[str]:
        for text in text_lines(source, self._limits):
            self._line += 1
            self._record_characters += len(text) + 1
            if self._record_characters > self._limits.row_bytes:
                raise FileProblem(
                    f"The row that begins at line {self._record_line} is longer than"
                    f" {self._limits.row_bytes:,} bytes; is a quote left open there?"
                )
            yield text + "\n"

    def _explained(self, error: csv.Error) -> str:
        begins = f"The row that begins at line {self._record_line}"
        if "field larger" in str(error):
            return (
                f"{begins} has a cell of more than {self._limits.string_characters:,} characters;"
                " is a quote left open there?"
            )
        if "unexpected end" in str(error):
            return f"{begins} opens a quote that is never closed."
        return f"{begins} has text after a closing quote; write a quote inside a cell twice."


def _csv_delimiter(head: bytes) -> str:
    first_line = head.split(b"\n", 1)[0]
    return ";" if first_line.count(b";") > first_line.count(b",") else ","


def _header(records: _Records, limits: ImportLimits) -> tuple[str, ...]:
    cells = records.next()
    if cells is None:
        return ()
    header = tuple(cell.strip() for cell in cells)
    if len(header) > limits.columns:
        raise FileProblem(f"The header names {len(header)} columns; {limits.columns} are allowed.")
    if "" in header:
        raise FileProblem(f"Column {header.index('') + 1} has no name; the first line must name every column.")
    for position, name in enumerate(header):
        if name in header[:position]:
            raise FileProblem(f"The header names the column {quoted(name)} twice.")
    return header
