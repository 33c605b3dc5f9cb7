"""Tokenised rows that are made once: all rows of a version, uncut, in an Arrow file named by all that they depend on.

The checks of a dataset and its trainers share the files. They lie in a cache: whatever is missing or damaged is made
again, and the files that were not used for longest go when there are too many.
"""

import contextlib
import hashlib
import json
import logging
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from transformers import PreTrainedTokenizerBase

from studio.storage import disk_space_told, fsync_dir
from worker.chat import dated
from worker.order import TOKENIZER_FILES
from worker.tokens_encode import EncodedRow, Ids

log = logging.getLogger(__name__)

# Part of the key: to be raised whenever rows come out otherwise.
CODE_VERSION = 2
LIMIT_BYTES = 20 * 10**9
ROWS_PER_BATCH = 1024
_READ_BYTES = 1 << 22
_COLUMNS = {
    "number": pa.int64(),
    "input_ids": pa.list_(pa.int32()),
    "answers": pa.list_(pa.int32()),
    "length": pa.int32(),
    "only_last": pa.bool_(),
    "problem": pa.string(),
}
_SCHEMA = pa.schema(list(_COLUMNS.items()))


def tokens_key(rows_sha256: str, tokenizer: PreTrainedTokenizerBase, folder: Path, train_on: str) -> str:
    """What a file of tokenised rows is named by; `folder` holds the tokenizer's files.

    A template that looks at the clock in an unusual way makes other rows every day.
    """
    template = json.dumps(dated(tokenizer.chat_template) or tokenizer.chat_template, sort_keys=True)
    parts = {
        "code": CODE_VERSION,
        "rows": rows_sha256,
        "tokenizer": tokenizer_sha256(folder),
        "template": template,
        "train_on": train_on,
        "libraries": [version(name) for name in ("tokenizers", "transformers", "pyarrow")],
        "day": date.today().isoformat() if "strftime_now(" in template else "",
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def tokenizer_sha256(folder: Path) -> str:
    """Of the files that a tokenizer is made of, those that are there."""
    digest = hashlib.sha256()
    for name in sorted(TOKENIZER_FILES):
        with contextlib.suppress(FileNotFoundError):
            content = (folder / name).read_bytes()
            digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class CachedRows:
    """All rows of a version, read from the mapped file; places count from 0."""

    path: Path
    table: pa.Table

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return int(self.table.num_rows)

    def rows(self, places: Sequence[int] | None = None) -> Iterator[EncodedRow]:
        """The rows at these places, all of them by default; the ids are a view of the file."""
        batches = self.table.to_batches()
        opened, current = -1, None
        for place in range(self.row_count) if places is None else places:
            if place // ROWS_PER_BATCH != opened:
                opened = place // ROWS_PER_BATCH
                current = _Batch(batches[opened])
            assert current is not None
            yield current.row(place % ROWS_PER_BATCH)


class _Batch:
    """One batch of the file, its columns as arrays."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        columns = dict(zip(_COLUMNS, batch.columns, strict=True))
        self._ids, self._id_starts = _flat(columns["input_ids"])
        self._answers, self._answer_starts = _flat(columns["answers"])
        names = ("number", "length", "only_last", "problem")
        self._plain = list(zip(*(columns[name].to_pylist() for name in names), strict=True))

    def row(self, place: int) -> EncodedRow:
        number, length, only_last, problem = self._plain[place]
        ids = self._ids[self._id_starts[place] : self._id_starts[place + 1]]
        answers = self._answers[self._answer_starts[place] : self._answer_starts[place + 1]]
        return EncodedRow(number, ids, tuple(answers.tolist()), length, only_last, problem)


class TokenCache:
    """The folder of tokenised rows."""

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.folder = folder
        self._limit_bytes = limit_bytes

    def open(self, key: str) -> CachedRows | None:
        """The rows of this key; None when they are not there or damaged."""
        path = self.folder / f"{key}.arrow"
        try:
            proof = json.loads(path.with_suffix(".json").read_bytes())
            if _hash_of(path) != proof["xxh3"]:
                log.warning("A file of tokenised rows is damaged; it is made again.")
                return None
            os.utime(path)
            return CachedRows(path, pa.ipc.open_file(pa.memory_map(str(path))).read_all())
        except (OSError, ValueError, KeyError):
            return None

    def fill(self, key: str, rows: Iterable[EncodedRow]) -> CachedRows:
        """Write all rows, in order; two writers at once write the same. Raises OSError and DiskFull."""
        with disk_space_told():
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{key}.arrow"
            temporary = self.folder / f"tmp-{uuid.uuid4().hex}"
            try:
                _write(temporary, rows)
                proof = {"xxh3": _hash_of(temporary), "size_bytes": temporary.stat().st_size}
                temporary.replace(path)
                temporary.write_text(json.dumps(proof), encoding="ascii")
                temporary.replace(path.with_suffix(".json"))
            finally:
                temporary.unlink(missing_ok=True)
            fsync_dir(self.folder)
        self.prune(keep=key)
        found = self.open(key)
        if found is None:
            raise OSError("The file of tokenised rows cannot be read back.")
        return found

    def prune(self, keep: str) -> None:
        """Remove the files that were not used for longest until the rest is small enough; those of `keep` stay."""
        groups: dict[str, list[Path]] = {}
        for path in self.folder.iterdir():
            groups.setdefault(path.name.split(".")[0], []).append(path)
        stats = {path: stat for paths in groups.values() for path in paths if (stat := _stat(path))}
        total = sum(stat.st_size for stat in stats.values())
        used = {
            stem: max((stats[path].st_mtime for path in paths if path in stats), default=0.0)
            for stem, paths in groups.items()
        }
        for stem in sorted(groups.keys() - {keep}, key=used.__getitem__):
            if total <= self._limit_bytes:
                return
            for path in groups[stem]:
                path.unlink(missing_ok=True)
                total -= stats[path].st_size if path in stats else 0


def _write(path: Path, rows: Iterable[EncodedRow]) -> None:
    with path.open("wb") as stream:
        with pa.ipc.new_file(stream, _SCHEMA) as writer:
            for batch in _batches(rows):
                arrays = [
                    _column(np.array([row.number for row in batch], np.int64), pa.int64()),
                    _lists([row.ids for row in batch]),
                    _lists([np.array(row.answers, np.int32) for row in batch]),
                    _column(np.array([row.length for row in batch], np.int32), pa.int32()),
                    _column(np.packbits([row.only_last for row in batch], bitorder="little"), pa.bool_(), len(batch)),
                    _texts([row.problem.encode() for row in batch]),
                ]
                writer.write_batch(pa.record_batch(arrays, schema=_SCHEMA))
        stream.flush()
        os.fsync(stream.fileno())


def _batches(rows: Iterable[EncodedRow]) -> Iterator[list[EncodedRow]]:
    batch: list[EncodedRow] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS_PER_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _column(values: np.ndarray[Any, Any], kind: pa.DataType, length: int | None = None) -> pa.Array:
    """A column of numbers from their bytes; `pyarrow.array` would import pandas first, which takes 50 MB and 0.4 s."""
    return pa.Array.from_buffers(kind, len(values) if length is None else length, [None, pa.py_buffer(values)])


def _offsets(parts: Sequence[Sized]) -> Ids:
    offsets = np.zeros(len(parts) + 1, np.int32)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return offsets


def _lists(numbers: Sequence[Ids]) -> pa.Array:
    values = _column(np.concatenate(numbers), pa.int32())
    return pa.ListArray.from_arrays(_column(_offsets(numbers), pa.int32()), values)


def _texts(texts: Sequence[bytes]) -> pa.Array:
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(_offsets(texts)), pa.py_buffer(b"".join(texts)))


def _flat(column: pa.Array) -> tuple[Ids, Ids]:
    """The numbers of a column of lists, and where each list begins and the last one ends; views of the file."""
    return _numbers(column.values), _numbers(column.offsets)


def _numbers(column: pa.Array) -> Ids:
    """As `to_numpy` gives them, which would import pandas first."""
    buffer = column.buffers()[1]
    if buffer is None:
        return np.empty(0, np.int32)
    return np.frombuffer(buffer, np.int32, len(column), column.offset * np.dtype(np.int32).itemsize)


def _hash_of(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with path.open("rb") as stream:
        while block := stream.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
