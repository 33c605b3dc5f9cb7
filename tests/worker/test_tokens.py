"""Rows are tokenised once: the cache gives trainers the same bytes, and survives what happens to files."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from studio.errors import InvalidInput
from worker.assignment import Assignment
from worker.data import encode_all, prepare_data
from worker.prepared import write_rows
from worker.rows import NumberedRow
from worker.tokens import CachedRows, TokenCache, tokens_key
from worker.tokens_encode import EncodedRow, RowEncoder

from .conftest import ROWS, Assign

MIXED = [
    *ROWS * 4,
    {
        "messages": [
            {"role": "user", "content": "late <|im_end|> order"},
            {"role": "assistant", "content": "Is <|im_end|> late?"},
            {"role": "user", "content": "Yes"},
            {"role": "assistant", "content": "My order is late. " * 20},
        ]
    },
    {"messages": [{"role": "user", "content": "late " * 90}, {"role": "assistant", "content": "intent"}]},
]


def with_cache(assignment: Assignment, folder: Path, **changes: Any) -> Assignment:
    return assignment.model_copy(update={"token_cache": folder, **changes})


def prepared(assignment: Assignment, tokenizer: Any, folder: Path) -> str:
    return write_rows(folder, prepare_data(assignment, tokenizer, 100)).stem


def encoded(tokenizer: Any, rows: list[dict[str, Any]] = MIXED) -> list[EncodedRow]:
    return encode_all(RowEncoder(tokenizer, "answers"), [NumberedRow(n, row) for n, row in enumerate(rows, start=1)])


def plain(row: EncodedRow) -> tuple[Any, ...]:
    return (row.number, row.ids.tolist(), row.answers, row.length, row.only_last, row.problem)


@pytest.fixture
def cache(tmp_path: Path) -> TokenCache:
    return TokenCache(tmp_path / "tokens")


@pytest.mark.parametrize("data", [{"train_on": "answers"}, {"train_on": "everything"}], ids=["answers", "everything"])
def test_a_run_has_the_same_bytes_with_a_cache_and_without(
    data: dict[str, Any], assign: Assign, tokenizer: Any, cache: TokenCache, tmp_path: Path
) -> None:
    assignment = assign(MIXED, data=data)

    without = prepared(assignment, tokenizer, tmp_path / "a")
    filling = prepared(with_cache(assignment, cache.folder), tokenizer, tmp_path / "b")
    filled = [path.name for path in cache.folder.iterdir()]
    reading = prepared(with_cache(assignment, cache.folder), tokenizer, tmp_path / "c")

    assert without == filling == reading
    assert sorted(Path(name).suffix for name in filled) == [".arrow", ".json"]


def test_a_run_on_few_rows_reads_the_cache_but_does_not_fill_it(
    assign: Assign, tokenizer: Any, cache: TokenCache, tmp_path: Path
) -> None:
    few = with_cache(assign(MIXED, data={"max_train_rows": 5}), cache.folder)
    alone = prepared(few, tokenizer, tmp_path / "a")
    assert not cache.folder.exists()

    prepared(with_cache(assign(MIXED), cache.folder), tokenizer, tmp_path / "b")

    assert prepared(few, tokenizer, tmp_path / "c") == alone


def test_rows_come_back_as_they_were(tokenizer: Any, cache: TokenCache) -> None:
    rows = encoded(tokenizer, MIXED * 60)

    kept = cache.fill("k", rows)

    assert [plain(row) for row in kept.rows()] == [plain(row) for row in rows]
    assert [row.number for row in kept.rows([2, 1500, 3])] == [3, 1501, 4]


@pytest.mark.parametrize("suffix", [".arrow", ".json"])
def test_a_damaged_or_missing_file_counts_as_none(suffix: str, tokenizer: Any, cache: TokenCache) -> None:
    path = cache.fill("k", encoded(tokenizer)).path.with_suffix(suffix)
    content = path.read_bytes()

    path.write_bytes(content[: len(content) // 2])
    damaged = cache.open("k")
    path.unlink()

    assert damaged is None
    assert cache.open("k") is None
    assert cache.fill("k", encoded(tokenizer)).row_count == len(MIXED)


def test_the_files_that_were_not_used_for_longest_go_first(tokenizer: Any, cache: TokenCache) -> None:
    rows = encoded(tokenizer)
    for age, key in enumerate(["old", "older", "oldest"], start=1):
        path = cache.fill(key, rows).path
        for file in (path, path.with_suffix(".json")):
            os.utime(file, (1000.0 - age, 1000.0 - age))
    size = sum(file.stat().st_size for file in cache.folder.glob("old.*"))
    cache.open("oldest")

    TokenCache(cache.folder, limit_bytes=3 * size).fill("new", rows)

    assert sorted(path.stem for path in cache.folder.glob("*.arrow")) == ["new", "old", "oldest"]


def test_two_writers_at_once_leave_one_whole_file(tokenizer: Any, cache: TokenCache) -> None:
    rows = encoded(tokenizer)
    found: list[CachedRows] = []
    writers = [threading.Thread(target=lambda: found.append(cache.fill("k", rows))) for _ in range(4)]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert [rows.row_count for rows in found] == [len(MIXED)] * 4
    assert sorted(path.name for path in cache.folder.iterdir()) == ["k.arrow", "k.json"]


def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(
    assign: Assign, tokenizer: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    assignment = assign(MIXED)

    found = prepared(with_cache(assignment, tmp_path / "file" / "tokens"), tokenizer, tmp_path / "a")

    assert found == prepared(assignment, tokenizer, tmp_path / "b")


def test_a_row_that_the_template_refuses_stops_only_runs_that_use_it(
    assign: Assign, base_folder: Path, cache: TokenCache, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base_folder)
    tokenizer.chat_template = (
        "{%- if messages[0]['content'] == 'no' %}{{- raise_exception('No.') }}{%- endif %}" + tokenizer.chat_template
    )
    refused = {"messages": [{"role": "user", "content": "no"}, {"role": "assistant", "content": "yes"}]}

    rows = encoded(tokenizer, [*ROWS, refused])

    assert [row.problem for row in rows if row.problem] == ["Row 9: the base model's chat template refuses it: No."]
    with pytest.raises(InvalidInput, match="Row 9"):
        prepare_data(with_cache(assign([*ROWS, *[refused] * 40]), cache.folder), tokenizer, 100)


def test_the_key_tells_everything_apart_that_changes_the_rows(base_folder: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base_folder)
    other = AutoTokenizer.from_pretrained(base_folder)
    other.chat_template += "{{- strftime_now('%d') }}"
    (tmp_path / "tokenizer.json").write_text("{}")

    keys = [
        tokens_key("0" * 64, tokenizer, base_folder, "answers"),
        tokens_key("1" * 64, tokenizer, base_folder, "answers"),
        tokens_key("0" * 64, other, base_folder, "answers"),
        tokens_key("0" * 64, tokenizer, tmp_path, "answers"),
        tokens_key("0" * 64, tokenizer, base_folder, "everything"),
    ]

    assert len(set(keys)) == len(keys)
    assert keys[0] == tokens_key("0" * 64, AutoTokenizer.from_pretrained(base_folder), base_folder, "answers")


def test_children_that_read_texts_start_without_torch(base_folder: Path) -> None:
    program = (
        "import sys, worker.preload_text; from pathlib import Path; from worker.tokens_load import load_tokenizer; "
        "print(len(load_tokenizer(Path(sys.argv[1]))), "
        "any(name.startswith(('torch.', 'pandas.')) for name in sys.modules))"
    )

    said = subprocess.run([sys.executable, "-c", program, str(base_folder)], capture_output=True, text=True, check=True)

    assert (said.stdout.split()[1], said.stderr) == ("False", "")
