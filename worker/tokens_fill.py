"""Fills the cache of tokenised rows from a file of canonical rows."""

from collections.abc import Callable, Iterator
from pathlib import Path

from worker.rows import NumberedRow, read_all_rows
from worker.tokens import CachedRows, TokenCache
from worker.tokens_encode import EncodedRow, RowEncoder
from worker.tokens_quick import Unsure


def fill(
    cache: TokenCache,
    key: str,
    encoder: RowEncoder,
    rows_path: Path,
    *,
    begun: Callable[[int], None] = lambda number: None,
    done: Callable[[EncodedRow], None] = lambda row: None,
) -> CachedRows:
    """Tokenise every row into the cache, telling of each that is begun (0: no more) and done; raises as they do."""

    def rows() -> Iterator[NumberedRow]:
        for row in read_all_rows(rows_path):
            begun(row.number)
            yield row
        begun(0)

    def encoded(with_: RowEncoder) -> Iterator[EncodedRow]:
        for row in with_.encode(rows()):
            done(row)
            yield row

    try:
        return cache.fill(key, encoded(encoder))
    except Unsure:
        return cache.fill(key, encoded(encoder.slow()))
