"""Rows are searched from the page of a dataset, without JavaScript."""

import json

import pytest
from fastapi.testclient import TestClient

from app.pages.searching import marked

HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture
def dataset(client: TestClient) -> str:
    """The page of a dataset of 40 rows, of which 15 hold a word."""
    rows = [{"prompt": f"Question {n} about {'Fish' if n < 15 else HOSTILE}", "completion": "yes"} for n in range(40)]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    answer = client.post("/datasets", files={"file": ("rows.jsonl", content)}, follow_redirects=False)
    return answer.headers["location"]


def test_found_rows_are_shown_ten_at_a_time_with_the_text_marked(client: TestClient, dataset: str) -> None:
    first = client.get(f"{dataset}/search?q=fish")
    rest = client.get(f"{dataset}/search?q=fish&start=10")

    assert first.text.count("<mark>Fish</mark>") == 10
    assert "Searched rows 1 to 10 of 40." in first.text
    assert f'href="{dataset}/search?q=fish&amp;start=10"' in first.text
    assert rest.text.count("<mark>Fish</mark>") == 5
    assert "Searched to the end of the rows." in rest.text


def test_what_is_found_stays_text(client: TestClient, dataset: str) -> None:
    page = client.get(f"{dataset}/search", params={"q": 'onerror="'})

    assert "<mark>onerror=&#34;</mark>" in page.text
    assert "<img" not in page.text


@pytest.mark.parametrize(("q", "sentence"), [("absent", "No row holds it"), ("", "Type a word or a part of one")])
def test_nothing_found_and_nothing_asked_say_so(client: TestClient, dataset: str, q: str, sentence: str) -> None:
    assert sentence in client.get(f"{dataset}/search", params={"q": q}).text


def test_the_preview_offers_the_search(client: TestClient, dataset: str) -> None:
    assert f'action="{dataset}/search"' in client.get(dataset).text


def test_a_text_is_marked_wherever_it_stands() -> None:
    assert marked("aXbxx", "x") == [("a", False), ("X", True), ("b", False), ("x", True), ("x", True)]
    assert marked("a.c", ".") == [("a", False), (".", True), ("c", False)]
