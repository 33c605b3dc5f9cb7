"""The tokenised rows of a run as one Arrow file that never changes: made once, named by its SHA-256, mapped to read."""

import json
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset
from datasets.table import InMemoryTable

from studio.errors import StudioError
from studio.storage import disk_space_told, fsync_dir, sha256_of
from worker.data import Prepared, SamplePrompt, TokenRow
from worker.state import DataReference

log = logging.getLogger(__name__)

FOLDER = "prepared"
_ROWS_PER_BATCH = 4096
_FACTS_KEY = b"tunewright"
_SCHEMA = pa.schema([("number", pa.int64()), ("input_ids", pa.list_(pa.int32())), ("labels", pa.list_(pa.int32()))])


class OtherData(StudioError):
    """The rows are not tokenised as they were when the run began."""

    code = "other_data"


@dataclass(frozen=True, slots=True)
class RunRows:
    """All data of a run, read from its file; `train` has the columns that TRL's collator reads."""

    reference: DataReference
    train: Dataset
    validation: list[TokenRow]
    samples: list[SamplePrompt]
    facts: dict[str, Any]

    def longest(self, count: int) -> list[dict[str, list[int]]]:
        """The longest rows to train on."""
        return [self.train[int(position)] for position in np.argsort(-self.lengths, kind="stable")[:count]]

    def measures(self) -> dict[str, float]:
        """What an estimate must know of the rows to train on: how long they are, and which share is learned."""
        lengths = self.lengths
        tokens = int(lengths.sum())
        return {
            "mean_tokens": tokens / len(lengths),
            "longest_tokens": int(lengths.max()),
            "learned_share": self.facts["trained_tokens"] / tokens,
        }

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row to train on, (N,)."""
        lengths: np.ndarray = pc.list_value_length(self.train.data.column("input_ids")).to_numpy()
        return lengths


def open_rows(run_folder: Path, prepare: Callable[[], Prepared], expected: DataReference | None) -> RunRows:
    """Read the file that a resumed run was trained on, or make it; raises OtherData when it comes out different.

    A retry of another run has its checkpoint but not its file, and a disk may have lost it: it is made again then.
    """
    folder = run_folder / FOLDER
    if expected is not None:
        path = folder / f"{expected.sha256}.arrow"
        if path.is_file() and sha256_of(path) == expected.sha256:
            return read_rows(path)
        log.warning("The file of tokenised rows is missing or damaged; it is made again.")
    path = write_rows(folder, prepare())
    if expected is not None and path.stem != expected.sha256:
        path.unlink()
        raise OtherData(
            "The rows are tokenised otherwise than when this run began: the tokenizer, its chat template or a library "
            "has changed since. Run again from the start, or restore what was there."
        )
    return read_rows(path)


def write_rows(folder: Path, data: Prepared) -> Path:
    """Write, sync, hash and rename; a file of the same content that is already there is replaced by itself."""
    with disk_space_told():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f"tmp-{uuid.uuid4().hex}"
        try:
            _write(temporary, data)
            path = folder / f"{sha256_of(temporary)}.arrow"
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_dir(folder)
    return path


def read_rows(path: Path) -> RunRows:
    """Map the file into memory; rows are read from it as they are needed."""
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    facts = json.loads(table.schema.metadata[_FACTS_KEY])
    samples = [SamplePrompt(**sample) for sample in facts.pop("samples")]
    train = table.slice(0, facts["train_rows"]).select(["input_ids", "labels"]).replace_schema_metadata(None)
    validation = [TokenRow(**row) for row in table.slice(facts["train_rows"]).to_pylist()]
    return RunRows(
        reference=DataReference(
            sha256=path.stem, train_rows=facts["train_rows"], validation_rows=facts["validation_rows"]
        ),
        train=Dataset(InMemoryTable(train), fingerprint=path.stem[:16]),
        validation=validation,
        samples=samples,
        facts=facts,
    )


def _write(path: Path, data: Prepared) -> None:
    schema = _SCHEMA.with_metadata({_FACTS_KEY: json.dumps(_facts(data), sort_keys=True)})
    with path.open("wb") as stream:
        with pa.ipc.new_file(stream, schema) as writer:
            for rows in _batches([*data.train.rows, *data.validation.rows]):
                columns = [[getattr(row, name) for row in rows] for name in _SCHEMA.names]
                arrays = [pa.array(column, type=kind) for column, kind in zip(columns, _SCHEMA.types, strict=True)]
                writer.write_batch(pa.record_batch(arrays, schema=schema))
        stream.flush()
        os.fsync(stream.fileno())


def _facts(data: Prepared) -> dict[str, Any]:
    return {
        "train_rows": len(data.train.rows),
        "validation_rows": len(data.validation.rows),
        "trained_tokens": data.train.trained_tokens,
        "cut": data.train.cut + data.validation.cut,
        "dropped": data.train.dropped + data.validation.dropped,
        "only_last_answer": data.train.only_last_answer + data.validation.only_last_answer,
        "template": data.template,
        "samples": [asdict(sample) for sample in data.samples],
    }


def _batches(rows: Sequence[TokenRow]) -> Iterator[Sequence[TokenRow]]:
    for start in range(0, len(rows), _ROWS_PER_BATCH):
        yield rows[start : start + _ROWS_PER_BATCH]
