"""A dataset is split anew: tried, looked at, kept as a version; test rows stay what they are."""

import json
import re

import pytest
from fastapi.testclient import TestClient

from worker.chores import ChoreSlot

# What is shown is the same on both databases; what is stored is tested on both elsewhere.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

LABELS = ["spam", "ham", "ham", "ham", "ham"]


@pytest.fixture
def dataset(client: TestClient, cpu_worker: ChoreSlot) -> str:
    """The page of a checked dataset of 500 rows with five answers for two labels."""
    rows = [{"prompt": f"Message {n} of {n * 7}", "completion": LABELS[n % 5]} for n in range(500)]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    answer = client.post("/datasets", files={"file": ("rows.jsonl", content)}, follow_redirects=False)
    cpu_worker.drain()
    return answer.headers["location"]


def plan(**changes: str) -> dict[str, str]:
    """The form as it is drawn, with these changes."""
    drawn = {"way": "stratified", "field": "answer", "validation_fraction": "0.2", "test_fraction": "0.2"}
    drawn |= {"seed": "17", "keep_test": "false", "keep_similar_together": "true"}
    return {f"split.{name}": value for name, value in (drawn | changes).items()}


def test_a_split_is_tried_looked_at_and_kept(client: TestClient, cpu_worker: ChoreSlot, dataset: str) -> None:
    tried = client.post(f"{dataset}/split", data=plan())
    waiting = tried.text
    cpu_worker.drain()
    shown = client.get(str(tried.url)).text
    kept = client.post(f"{tried.url}/version")
    cpu_worker.drain()
    page = client.get(str(kept.url))

    assert "Waiting for a worker" in waiting
    assert 'aria-label="300 rows train, 100 validate, 100 test"' in shown
    assert re.search(r"ham</th>\s*<td[^>]*>240</td>\s*<td[^>]*>80</td>\s*<td[^>]*>80</td>", shown)
    assert "Keep it as version 2" in shown
    assert page.url.path == dataset
    assert 'aria-label="300 rows train, 100 validate, 100 test"' in page.text
    rows = client.get(f"/api{dataset}/rows?split=test&limit=100").json()
    assert rows["row_count"] == 100
    assert sum(row["row"]["completion"] == "spam" for row in rows["rows"]) == 20


def test_keeping_it_twice_makes_one_version(client: TestClient, cpu_worker: ChoreSlot, dataset: str) -> None:
    tried = client.post(f"{dataset}/split", data=plan())
    cpu_worker.drain()
    for _ in range(2):
        client.post(f"{tried.url}/version")
        cpu_worker.drain()

    assert [version["number"] for version in client.get(f"/api{dataset}").json()["versions"]] == [1, 2]


def test_a_test_split_that_is_larger_than_asked_is_explained(
    client: TestClient, cpu_worker: ChoreSlot, dataset: str
) -> None:
    larger = client.post(f"{dataset}/split", data=plan(keep_test="true", test_fraction="0.02"))
    asked = client.post(f"{dataset}/split", data=plan(test_fraction="0.02"))
    cpu_worker.drain()

    assert "larger than you asked for" in client.get(str(larger.url)).text
    assert "larger than you asked for" not in client.get(str(asked.url)).text


def test_test_rows_are_kept_unless_the_person_says_otherwise(
    client: TestClient, cpu_worker: ChoreSlot, dataset: str
) -> None:
    before = rows_tested(client, dataset)

    tried = client.post(f"{dataset}/split", data=plan(keep_test="true", validation_fraction="0.3"))
    cpu_worker.drain()
    client.post(f"{tried.url}/version")
    cpu_worker.drain()

    assert rows_tested(client, dataset) == before


def rows_tested(client: TestClient, dataset: str) -> list[int]:
    """The numbers of the test rows."""
    rows = client.get(f"/api{dataset}/rows?split=test&limit=100").json()["rows"]
    return [row["number"] for row in rows]


def test_what_cannot_be_split_is_told_with_the_form(client: TestClient, dataset: str) -> None:
    unknown = client.post(f"{dataset}/split", data=plan(field="person"))
    missing = client.post(f"{dataset}/split", data=plan(field=""))

    assert (unknown.status_code, missing.status_code) == (422, 422)
    assert "The rows have no field person. Pick one of answer." in unknown.text
    assert "Say by which field" in missing.text


def test_a_reason_of_the_child_is_shown(client: TestClient, cpu_worker: ChoreSlot, dataset: str) -> None:
    tried = client.post(f"{dataset}/split", data=plan(way="time"))
    cpu_worker.drain()

    shown = client.get(str(tried.url)).text

    assert "Row 1 has no time that can be read (&#39;spam&#39;)." in shown
    assert "Choose another way" in shown
