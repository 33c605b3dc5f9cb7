"""What the tokenised rows of a version say of every longest row at once, as files that are read by seeks.

For each longest row L from 0 to the longest that there is, four sums: rows of at most L tokens, rows that teach
something, tokens that go into a step, and tokens that are learned. First of all rows, then of the train split.
"""

import json
import math
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from transformers import PreTrainedTokenizerBase

from studio.datasets.token_truth import LONGEST_FILE, NOTHING_LEARNED, SUMS_FILE, UNTAUGHT_FILE, smallest_for
from studio.datasets.token_view import PLACE_FORMAT, SPECIAL
from worker.chat import special_texts
from worker.tokens import CachedRows
from worker.tokens_encode import answer_stretches

_PROBLEMS_SHOWN = 20
Numbers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(slots=True)
class _Rows:
    """What is known of each row (N,), and of each learned stretch (S,)."""

    lengths: "array[int]" = field(default_factory=lambda: array("q"))
    firsts: "array[int]" = field(default_factory=lambda: array("q"))
    begins: "array[int]" = field(default_factory=lambda: array("q"))
    ends: "array[int]" = field(default_factory=lambda: array("q"))
    owners: "array[int]" = field(default_factory=lambda: array("q"))
    problems: list[tuple[int, str]] = field(default_factory=list)
    only_last: int = 0


def profile(rows: CachedRows, codes: bytes, folder: Path) -> dict[str, Any]:
    """Write the sums and the ordered rows into `folder`; returns what the page tells first. `codes` name the splits."""
    known = _look(rows)
    lengths, firsts = _numbers(known.lengths), _numbers(known.firsts)
    is_fine = np.ones(len(lengths), bool)
    is_fine[[number - 1 for number, _ in known.problems]] = False
    train = np.frombuffer(codes, np.uint8) == 0
    longest = int(lengths.max(initial=0))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / SUMS_FILE).open("wb") as stream:
        for chosen in (is_fine, is_fine & train):
            for sums in _sums(known, chosen, longest):
                stream.write(sums.astype("<u8").tobytes())
    _write_order(folder / LONGEST_FILE, lengths, is_fine)
    _write_order(folder / UNTAUGHT_FILE, firsts, is_fine)
    within = np.sort(lengths[is_fine])
    return {
        "rows": int(is_fine.sum()),
        "train_rows": int((is_fine & train).sum()),
        "longest": longest,
        "tokens": int(within.sum()),
        "percentiles": {
            name: _percentile(within, share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        },
        "suggestion": smallest_for(_percentile(within, 0.99)),
        "never_taught": int((firsts[is_fine] == NOTHING_LEARNED).sum()),
        "only_last_answer": known.only_last,
        "problem_count": len(known.problems),
        "problems": known.problems[:_PROBLEMS_SHOWN],
    }


def write_places(rows: CachedRows, path: Path) -> None:
    """Where in the Arrow file the ids and answers of each row lie, so that one row is read by seeks."""
    temporary = path.with_suffix(".tmp")
    with pa.memory_map(str(rows.path)) as mapped, temporary.open("wb") as stream:
        whole = mapped.read_buffer()
        for batch in pa.ipc.open_file(pa.BufferReader(whole)).read_all().to_batches():
            columns = {name: batch.column(name) for name in ("input_ids", "answers")}
            starts = {name: column.offsets.to_numpy() for name, column in columns.items()}
            bases = {name: _base(column, whole.address) for name, column in columns.items()}
            lengths = batch.column("length").to_pylist()
            for place, length in enumerate(lengths):
                found = [_place(bases[name], starts[name], place) for name in columns]
                stream.write(struct.pack(PLACE_FORMAT, *found[0], *found[1], length))
    temporary.replace(path)


def write_vocabulary(tokenizer: PreTrainedTokenizerBase, path: Path) -> None:
    """The bytes of every token by its id: how many there are, where each begins, then a kind and its bytes."""
    texts = [_bytes_of(token, kind) for token, kind in _vocabulary(tokenizer)]
    starts = array("I", [0])
    for text in texts:
        starts.append(starts[-1] + len(text))
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(struct.pack("<I", len(texts)) + starts.tobytes() + b"".join(texts))
    temporary.replace(path)


def _look(rows: CachedRows) -> _Rows:
    known = _Rows()
    for place, row in enumerate(rows.rows()):
        stretches = list(answer_stretches(row.answers))
        # The first token is predicted from nothing, so a label there teaches nothing.
        first = next((max(begin, 1) for begin, end in stretches if end > 1), NOTHING_LEARNED)
        known.lengths.append(row.length)
        known.firsts.append(first)
        for begin, end in stretches:
            known.begins.append(begin)
            known.ends.append(end)
            known.owners.append(place)
        known.only_last += row.only_last
        if row.problem:
            known.problems.append((row.number, row.problem))
    return known


def _sums(known: _Rows, chosen: Any, longest: int) -> Iterator[Numbers]:
    lengths, firsts = _numbers(known.lengths)[chosen], _numbers(known.firsts)[chosen]
    size = longest + 1
    teaches = firsts != NOTHING_LEARNED
    first, length = firsts[teaches], lengths[teaches]
    yield np.cumsum(np.bincount(lengths, minlength=size))
    yield np.cumsum(np.bincount(first + 1, minlength=size))[:size]
    # A row joins with its first learned token, and with all before it; then it grows by one token a step.
    joined = np.bincount(first + 1, weights=first + 1, minlength=size + 1)
    growing = np.bincount(first + 2, minlength=size + 1)[: size + 1] - np.bincount(length + 1, minlength=size + 1)
    yield np.cumsum(joined[:size] + np.cumsum(growing)[:size]).astype(np.int64)
    of_chosen = (chosen & (_numbers(known.firsts) != NOTHING_LEARNED))[_numbers(known.owners)]
    begins, ends = (_numbers(places)[of_chosen] + 1 for places in (known.begins, known.ends))
    learning = np.bincount(begins, minlength=size + 1)[:size] - np.bincount(ends, minlength=size + 1)[:size]
    yield np.cumsum(np.cumsum(learning))


def _write_order(path: Path, values: Numbers, is_fine: Any) -> None:
    """Numbers of rows (from 1) with their values, the highest value first."""
    order = np.argsort(-values, kind="stable")
    order = order[is_fine[order]]
    np.stack([order + 1, np.minimum(values[order], NOTHING_LEARNED)], axis=1).astype("<u4").tofile(path)


def _percentile(ordered: Numbers, share: float) -> int:
    """The smallest value that so large a share of the rows does not exceed."""
    if not len(ordered):
        return 0
    return int(ordered[max(0, math.ceil(len(ordered) * share) - 1)])


def _numbers(values: "array[int]") -> Numbers:
    return np.frombuffer(values, np.int64) if values else np.empty(0, np.int64)


def _base(column: Any, start: int) -> int:
    """Where in the file the numbers of a column of lists begin."""
    values = column.values
    return int(values.buffers()[1].address) - start + 4 * int(values.offset) if len(values) else 0


def _place(base: int, starts: Any, place: int) -> tuple[int, int]:
    return base + 4 * int(starts[place]), int(starts[place + 1] - starts[place])


def _vocabulary(tokenizer: PreTrainedTokenizerBase) -> Iterator[tuple[str, str]]:
    """Each token by its id, and how its text is to be read."""
    decoder = json.dumps(json.loads(tokenizer.backend_tokenizer.to_str())["decoder"])
    kind = "bytes" if "ByteLevel" in decoder else "words"
    special = special_texts(tokenizer)
    added = {token.content for token in tokenizer.added_tokens_decoder.values()}
    names = {place: token for token, place in tokenizer.get_vocab().items()}
    for place in range(max(names, default=-1) + 1):
        token = names.get(place, "")
        yield token, "special" if token in special else "added" if token in added else kind


def _bytes_of(token: str, kind: str) -> bytes:
    if kind == "special":
        return SPECIAL + token.encode()
    if kind == "bytes" and all(character in _BYTES for character in token):
        return b"\0" + bytes(_BYTES[character] for character in token)
    if kind == "words" and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return b"\0" + bytes.fromhex(token[3:5])
    return b"\0" + (token.replace("▁", " ") if kind == "words" else token).encode()


def _byte_characters() -> dict[str, int]:
    """The characters that byte-level tokenizers write bytes with: printable ones as they are, others from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


_BYTES = _byte_characters()
