"""Open a file as a table of rows, whatever its format and packing."""

from collections.abc import Iterator
from dataclasses import replace

from studio.formats.delimited import delimited_table
from studio.formats.json_rows import is_array, json_table
from studio.formats.kinds import PACKED_PARQUET
from studio.formats.packed import Part, packed_parts
from studio.formats.report import Request
from studio.formats.tables import RawRow, Table
from studio.formats.telling import Tell, say_nothing
from studio.formats.text import LineBlock, TextSource, line_blocks
from studio.formats.unpack import unpacked_pieces


def open_table(request: Request, tell: Tell = say_nothing) -> Table:
    """Open the requested file; raises FileProblem and its kin. Reading it tells how many of its bytes were read."""
    if request.kind.is_parquet:
        return _parquet_table(request, tell)
    source = TextSource(unpacked_pieces(request.path, request.kind.gzipped, request.limits, tell))
    if request.kind.format in ("csv", "tsv"):
        return delimited_table(source, request.kind.format, request.limits)
    return json_table(source, request.limits)


def open_lines(request: Request, tell: Tell = say_nothing) -> Iterator[LineBlock] | None:
    """Open JSON Lines as lines, to be read from their beginning again; None for every other format."""
    if request.kind.format not in ("jsonl", "json"):
        return None
    source = TextSource(unpacked_pieces(request.path, request.kind.gzipped, request.limits, tell))
    return None if is_array(source) else line_blocks(source, request.limits)


def _parquet_table(request: Request, tell: Tell) -> Table:
    """Parquet is read from its end, so a packed file is unpacked to the disk first."""
    from studio.formats._parquet import parquet_table

    path = request.path
    if request.kind.gzipped:
        path = request.folder / "unpacked.parquet"
        with path.open("wb") as stream:
            for piece in unpacked_pieces(request.path, True, request.limits):
                stream.write(piece)
    parts = packed_parts(path) if request.kind.format == PACKED_PARQUET else [Part("", path)]
    # Version 0.1 kept what is null within a value, and makes its files again so.
    table = parquet_table(parts, request.limits, drop_nulls=request.keep_fields)
    return replace(table, rows=_told(table, path.stat().st_size, tell))


def _told(table: Table, size_bytes: int, tell: Tell) -> Iterator[RawRow]:
    """Rows of a file that is not read from its beginning to its end count as equal parts of it."""
    for row in table.rows:
        tell(size_bytes * row.number // max(1, table.row_count or 0), size_bytes)
        yield row
