"""Rows are found by a text, piece by piece."""

import json

import pytest

from studio.datasets.searching import search_rows
from studio.storage import LocalStorage
from tests.datasets.conftest import Import

TEXTS = ["Plain text", 'He said "no".', "Straße", "two\nlines", "PLAIN again", "c:\\temp", "<b>&amp;"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("plain", [0, 4]),
        ('"no"', [1]),
        ("straße", [2]),
        ("ß", [2]),
        ("two\nlines", [3]),
        ("c:\\TEMP", [5]),
        ("&amp;", [6]),
        ("absent", []),
    ],
)
def test_what_a_person_types_is_found(import_file: Import, storage: LocalStorage, text: str, places: list[int]) -> None:
    content = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS).encode()
    version = import_file("rows.jsonl", content).latest

    found = search_rows(version, text, storage=storage)

    assert (found.places, found.end) == (places, None)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_search_goes_on_where_it_stopped(import_file: Import, storage: LocalStorage) -> None:
    content = "".join(json.dumps({"text": f"row {n}"}) + "\n" for n in range(1000)).encode()
    version = import_file("rows.jsonl", content).latest

    first = search_rows(version, "row 99", storage=storage, limit=5)
    rest = search_rows(version, "row 99", storage=storage, start=first.end or 0, limit=50)
    hurried = search_rows(version, "row 999", storage=storage, seconds=0.0)

    assert first.places + rest.places == [99, *range(990, 1000)]
    assert rest.end is None
    assert hurried.end == 1
