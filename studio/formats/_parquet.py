"""Parquet files through pyarrow: the only module that imports it, itself imported by the child alone."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from studio.formats.kinds import PARQUET_MAGIC
from studio.formats.limits import ImportLimits
from studio.formats.packed import Part
from studio.formats.problems import FileProblem, OverLimit, UnreadableKind, quoted, shown
from studio.formats.tables import RawRow, Table
from studio.formats.values import Row

_BATCH_ROWS = 64
_FOOTER_BYTES = 8
_FOOTER_LIMIT_BYTES = 32 * 1024**2
_TYPE_LEVELS = 16
_INCOMPLETE = "The Parquet file is incomplete or damaged: its last bytes are not a footer. Upload it again."
_DAMAGED = "The Parquet file is damaged and cannot be read: {reason}"


@dataclass(frozen=True, slots=True)
class _Head:
    """What the footer of a file says."""

    row_count: int
    unpacked_bytes: int
    columns: tuple[str, ...]
    unread: tuple[tuple[str, str], ...]
    column_count: int


def parquet_table(parts: Sequence[Part], limits: ImportLimits, *, drop_nulls: bool = True) -> Table:
    """Open a Parquet file, or several as one table, after footers and sizes are found sane.

    `drop_nulls` leaves out what is null within a value: in a column all objects have the keys of each other. Raises
    FileProblem and its kin.
    """
    if not parts:
        raise FileProblem("There is no Parquet file in it.")
    heads = []
    for part in parts:
        with _telling_of(part):
            heads.append(_head(part))
    _check_sizes(heads, limits)
    columns, counts = heads[0].columns, dict.fromkeys((part.split for part in parts), 0)
    for part, head in zip(parts, heads, strict=True):
        counts[part.split] += head.row_count
        if set(head.columns) != set(columns):
            raise FileProblem(f"{part.name} has other columns than {parts[0].name}.")
    unread = dict(pair for head in heads for pair in head.unread)
    rows = _rows(parts, columns, drop_nulls)
    return Table(
        rows=rows,
        decode=dict,
        columns=columns,
        unread=tuple(unread.items()),
        row_count=sum(counts.values()),
        parts=tuple(counts.items()),
    )


def _head(part: Part) -> _Head:
    _check_ends(part)
    with _open(part) as file:
        schema = file.schema_arrow
        _check_names(schema.names)
        metadata = file.metadata
        return _Head(
            row_count=metadata.num_rows,
            unpacked_bytes=sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)),
            columns=tuple(field.name for field in schema if _readable(field.type)),
            unread=tuple((field.name, str(field.type)) for field in schema if not _readable(field.type)),
            column_count=len(schema),
        )


@contextmanager
def _open(part: Part) -> Iterator[Any]:
    pyarrow, parquet = _import_pyarrow()
    with part.open() as stream:
        try:
            file = parquet.ParquetFile(
                # Arrow reads a file of its own faster than one of Python.
                part.path if part.size_bytes is None else stream,
                pre_buffer=False,
                buffer_size=1 << 16,
                thrift_string_size_limit=_FOOTER_LIMIT_BYTES,
                thrift_container_size_limit=1_000_000,
            )
            file.schema_arrow  # noqa: B018 - it is read here for the first time
        except MemoryError:
            raise
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise FileProblem(_DAMAGED.format(reason=_first_line(error))) from error
        with file:
            yield file


@contextmanager
def _telling_of(part: Part) -> Iterator[None]:
    """Begin a sentence with the file, where there are several."""
    try:
        yield
    except FileProblem as problem:
        if not part.name:
            raise
        raise type(problem)(f"{part.name}: {problem}") from problem


def _check_ends(part: Part) -> None:
    with part.open() as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
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


def _check_sizes(heads: Sequence[_Head], limits: ImportLimits) -> None:
    rows = sum(head.row_count for head in heads)
    if rows > limits.rows:
        raise OverLimit(f"The file has {rows:,} rows; {limits.rows:,} are allowed.")
    most = max(head.column_count for head in heads)
    if most > limits.columns:
        raise FileProblem(f"The file has {most} columns; {limits.columns} are allowed.")
    unpacked = sum(head.unpacked_bytes for head in heads)
    if unpacked > limits.unpacked_limit_bytes:
        raise OverLimit(f"The file expands to {unpacked:,} bytes; {limits.unpacked_limit_bytes:,} are allowed.")


def _check_names(names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise FileProblem(f"The file has the column {quoted(name)} twice.")


def _rows(parts: Sequence[Part], columns: tuple[str, ...], drop_nulls: bool) -> Iterator[RawRow]:
    """Rows are numbered through all parts."""
    number = 0
    if not columns:
        return
    for part in parts:
        with _telling_of(part), _open(part) as file:
            nested = [field.name for field in file.schema_arrow if drop_nulls and _is_nested(field.type)]
            for row in _rows_of(file, columns, number):
                number += 1
                for name in nested:
                    if name in row:
                        row[name] = _without_nulls(row[name])
                yield RawRow(number, None, row)


def _rows_of(file: Any, columns: tuple[str, ...], number: int) -> Iterator[Row]:
    pyarrow, _ = _import_pyarrow()
    try:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns), use_threads=False):
            batch.validate(full=True)
            for row in batch.to_pylist():
                number += 1
                yield row
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise FileProblem(_DAMAGED.format(reason=f"after row {number}: {_first_line(error)}")) from error


def _is_nested(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_nested(kind))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


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
