"""One hash over everything that the database holds, equal before a backup and after its restoration."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, MetaData, String, Table, select

_NOT_ROWS = {"alembic_version"}


def catalogue_sha256(connection: Connection) -> str:
    """SHA-256 over all rows of all tables, in the order of their keys, whatever the schema's version.

    Rows hold the hashes of datasets, adapters and checkpoints, so their content is in it too.
    """
    found = MetaData()
    found.reflect(connection)
    digest = hashlib.sha256()
    for name in sorted(set(found.tables) - _NOT_ROWS):
        for line in _lines(connection, found.tables[name]):
            digest.update(line)
    return digest.hexdigest()


def _lines(connection: Connection, table: Table) -> Iterator[bytes]:
    columns = sorted(table.columns, key=lambda column: column.name)
    yield _line([table.name, *(column.name for column in columns)])
    order = [_by_bytes(connection, column) for column in table.primary_key.columns]
    for row in connection.execute(select(*columns).order_by(*order)).yield_per(1000):
        yield _line([_plain(value) for value in row])


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass") + b"\n"


def _by_bytes(connection: Connection, column: Column[Any]) -> Any:
    """Sort text by its bytes, as SQLite does: two PostgreSQL servers may have different collations."""
    is_text = isinstance(column.type, String) and connection.dialect.name == "postgresql"
    return column.collate("C") if is_text else column


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    return value
