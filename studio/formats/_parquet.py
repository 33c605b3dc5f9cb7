"""Parquet files through pyarrow: the only module that imports it, itself imported by the child alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from studio.formats.kinds import PARQUET_MAGIC
from studio.formats.limits import ImportLimits
from studio.formats.problems import FileProblem, OverLimit, UnreadableKind, quoted, shown
from studio.formats.tables import RawRow, Table

_BATCH_ROWS = 64
_FOOTER_BYTES = 8
_FOOTER_LIMIT_BYTES = 32 * 1024**2
_TYPE_LEVELS = 16
_INCOMPLETE = "The Parquet file is incomplete or damaged: its last bytes are not a footer. Upload it again."
_DAMAGED = "The Parquet file is damaged and cannot be read: {reason}"


def parquet_table(path: Path, limits: ImportLimits) -> Table:
    """Open a Parquet file after its footer and sizes are found sane; raises FileProblem and its kin."""
    _check_ends(path)
    pyarrow, parquet = _import_pyarrow()
    try:
        file = parquet.ParquetFile(
            path, pre_buffer=False, buffer_size=1 << 16, thrift_string_size_limit=_FOOTER_LIMIT_BYTES,
            thrift_container_size_limit=1_000_000,
        )  # fmt: skip
        schema = file.schema_arrow
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise FileProblem(_DAMAGED.format(reason=_first_line(error))) from error
    _check_sizes(file.metadata, schema, limits)
    unread = tuple((field.name, str(field.type)) for field in schema if not _readable(field.type))
    columns = tuple(field.name for field in schema if _readable(field.type))
    rows = _rows(file, columns, pyarrow)
    return Table(rows=rows, decode=dict, columns=columns, unread=unread, row_count=file.metadata.num_rows)


def _check_ends(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as stream:
        if stream.read(len(PARQUET_MAGIC)) != PARQUET_MAGIC:
            raise UnreadableKind("The name ends in .parquet, yet this is not a Parquet file.")
        if size < len(PARQUET_MAGIC) + _FOOTER_BYTES:
            raise FileProblem(_INCOMPLETE)
        stream.seek(size - _FOOTER_BYTES)
        footer = stream.read(_FOOTER_BYTES)
    length = int.from_bytes(footer[:4], "little")
    if footer[4:] != PARQUET_MAGIC or length > size - len(PARQUET_MAGIC) - _FOOTER_BYTES:
        raise FileProblem(_INCOMPLETE)
    if length > _FOOTER_LIMIT_BYTES:
        raise FileProblem(f"The footer of the Parquet file takes {length:,} bytes; that is not a plain table of rows.")


def _import_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise FileProblem(
            'Parquet files need pyarrow, which is not installed. Run pip install "tunewright[parquet]",'
            " or upload the rows as JSON Lines."
        ) from error
    return pyarrow, parquet


def _check_sizes(metadata: Any, schema: Any, limits: ImportLimits) -> None:
    if metadata.num_rows > limits.rows:
        raise OverLimit(f"The file has {metadata.num_rows:,} rows; {limits.rows:,} are allowed.")
    if len(schema) > limits.columns:
        raise FileProblem(f"The file has {len(schema)} columns; {limits.columns} are allowed.")
    unpacked = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    if unpacked > limits.unpacked_limit_bytes:
        raise OverLimit(f"The file expands to {unpacked:,} bytes; {limits.unpacked_limit_bytes:,} are allowed.")
    names = schema.names
    for name in names:
        if names.count(name) > 1:
            raise FileProblem(f"The file has the column {quoted(name)} twice.")


def _rows(file: Any, columns: tuple[str, ...], pyarrow: Any) -> Iterator[RawRow]:
    number = 0
    if not columns:
        return
    try:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns), use_threads=False):
            batch.validate(full=True)
            for row in batch.to_pylist():
                number += 1
                yield RawRow(number, None, row)
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise FileProblem(_DAMAGED.format(reason=f"after row {number}: {_first_line(error)}")) from error


def _readable(kind: Any, levels: int = _TYPE_LEVELS) -> bool:
    """Text, numbers and truth values, and lists and structs of them; no extension types, no bytes."""
    from pyarrow import types

    if levels == 0:
        return False
    plain = (
        types.is_string,
        types.is_large_string,
        types.is_integer,
        types.is_floating,
        types.is_boolean,
        types.is_null,
    )
    if any(test(kind) for test in plain):
        return True
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _readable(kind.value_type, levels - 1)
    if types.is_dictionary(kind):
        return _readable(kind.value_type, levels - 1)
    return types.is_struct(kind) and all(_readable(field.type, levels - 1) for field in kind)


def _first_line(error: BaseException) -> str:
    return shown((str(error).splitlines() or ["no reason given"])[0], 200)
