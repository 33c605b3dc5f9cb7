"""Reading rows by place, in the file and in a split of it."""

import json
from typing import Any, BinaryIO

import pytest

from studio import datasets
from studio.datasets import SPLIT_NAMES, Dataset, Split, SplitName, read_rows, split_rows, version_split_sizes
from studio.storage import LocalStorage
from tests.datasets.conftest import Import

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def dataset(import_file: Import) -> Dataset:
    """Fifty rows of different lengths."""
    rows = [{"text": f"{number} " + "é\u2028" * number} for number in range(50)]
    return import_file("a.jsonl", b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def numbers(rows: list[datasets.NumberedRow]) -> list[int]:
    return [row.number for row in rows]


def test_pages_follow_each_other(dataset: Dataset, storage: LocalStorage) -> None:
    pages = [read_rows(dataset.latest, storage=storage, start=start, limit=20) for start in (0, 20, 40, 60)]

    assert [number for page in pages for number in numbers(page)] == list(range(1, 51))
    assert [len(page) for page in pages] == [20, 20, 10, 0]
    assert [row.row["text"] for row in pages[1][:2]] == [f"{n} " + "é\u2028" * n for n in (20, 21)]


@pytest.mark.parametrize("split", SPLIT_NAMES)
def test_pages_of_a_split_hold_its_rows_in_order(dataset: Dataset, storage: LocalStorage, split: SplitName) -> None:
    version = dataset.latest

    rows = read_rows(version, storage=storage, start=2, limit=2, split=split)

    assert numbers(rows) == [row + 1 for row in split_rows(50, Split(), split)[2:4]]
    assert {row.split for row in rows} == {split}
    assert [row.row["text"].split()[0] for row in rows] == [str(row.number - 1) for row in rows]


def test_every_row_names_its_split(dataset: Dataset, storage: LocalStorage) -> None:
    rows = read_rows(dataset.latest, storage=storage, start=0, limit=50)

    assert {name: [row.split for row in rows].count(name) for name in SPLIT_NAMES} == {
        "train": 40,
        "validation": 5,
        "test": 5,
    }


def test_another_split_can_be_tried(dataset: Dataset, storage: LocalStorage) -> None:
    tried = Split(validation_fraction=0.5, test_fraction=0.0, seed=3)

    rows = read_rows(dataset.latest, storage=storage, start=0, limit=99, split="validation", split_spec=tried)

    assert len(rows) == 25
    assert version_split_sizes(dataset.latest, tried) == {"train": 25, "validation": 25, "test": 0}
    assert version_split_sizes(dataset.latest) == {"train": 40, "validation": 5, "test": 5}


@pytest.mark.parametrize(("start", "limit"), [(0, 0), (50, 10), (10**12, 10), (0, -1)])
def test_a_page_outside_the_file_is_empty(dataset: Dataset, storage: LocalStorage, start: int, limit: int) -> None:
    assert read_rows(dataset.latest, storage=storage, start=start, limit=limit) == []


def test_a_page_reads_only_its_rows(dataset: Dataset, storage: LocalStorage) -> None:
    class Counting:
        """Storage whose files count the bytes that are read."""

        read_bytes = 0

        def open(self, key: str) -> Any:
            return _CountedFile(storage.open(key), self)

    counting = Counting()

    read_rows(dataset.latest, storage=counting, start=48, limit=1)  # type: ignore[arg-type]

    # 8 bytes of offset and one line of 48 * 5 + 15 bytes
    assert counting.read_bytes <= 8 + 300


class _CountedFile:
    def __init__(self, stream: BinaryIO, counter: Any) -> None:
        self._stream, self._counter = stream, counter

    def __enter__(self) -> "_CountedFile":
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def seek(self, place: int) -> None:
        self._stream.seek(place)

    def read(self, size: int) -> bytes:
        return self._counted(self._stream.read(size))

    def readline(self) -> bytes:
        return self._counted(self._stream.readline())

    def _counted(self, content: bytes) -> bytes:
        self._counter.read_bytes += len(content)
        return content
