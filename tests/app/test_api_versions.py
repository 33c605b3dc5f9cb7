"""Recipes and versions over JSON."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.app.mending import PLANTED
from worker.chores import ChoreSlot

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
DUPLICATES = [{"do": "keep_first", "check": "exact_duplicates"}]


@pytest.fixture
def dataset(client: TestClient, cpu_worker: ChoreSlot) -> str:
    """The address of a checked dataset with planted faults."""
    content = "".join(json.dumps({"prompt": prompt, "completion": answer}) + "\n" for prompt, answer in PLANTED)
    made = client.post("/api/datasets", files={"file": ("rows.jsonl", content.encode())})
    cpu_worker.drain()
    return f"/api/datasets/{made.json()['id']}"


def mend(client: TestClient, cpu_worker: ChoreSlot, dataset: str, **wanted: Any) -> dict[str, Any]:
    asked = client.post(f"{dataset}/mendings", json=wanted)
    assert asked.status_code == 202, asked.text
    cpu_worker.drain()
    shown: dict[str, Any] = client.get(f"{dataset}/mendings/{asked.json()['id']}").json()
    return shown


def test_a_recipe_is_tried_and_then_makes_a_version(client: TestClient, cpu_worker: ChoreSlot, dataset: str) -> None:
    tried = mend(client, cpu_worker, dataset, recipe=DUPLICATES)
    changes = client.get(f"{dataset}/mendings/{tried['id']}/changes?start=5").json()
    made = mend(client, cpu_worker, dataset, recipe=DUPLICATES, publish=True)

    sentence = "Exact duplicates: keep the first row of each group"
    assert (tried["status"], tried["made"], tried["row_count"]) == ("done", None, 42)
    assert tried["steps"] == [{"sentence": sentence, "dropped": 6, "changed": 0}]
    assert sum(tried["split_sizes"].values()) == 42
    assert (changes["count"], [change["row"] for change in changes["changes"]]) == (6, [46])
    assert made["made"] == 2
    newest, oldest = client.get(f"{dataset}/versions").json()
    assert (newest["number"], newest["parent"], newest["sentences"]) == (2, 1, [sentence])
    assert newest["split"]["sizes"] == list(tried["split_sizes"].values())
    assert newest["recipe"] == DUPLICATES
    assert (oldest["parent"], oldest["recipe"], oldest["sentences"]) == (None, [], [])
    assert "sizes" not in oldest["split"]


def test_an_older_version_is_used_again_and_compared(client: TestClient, cpu_worker: ChoreSlot, dataset: str) -> None:
    mend(client, cpu_worker, dataset, recipe=DUPLICATES, publish=True)

    again = client.post(f"{dataset}/versions", json={"use": 1})
    diff = client.get(f"{dataset}/diff?from=2&to=3&kind=added&limit=2").json()

    assert (again.status_code, again.json()["number"], again.json()["parent"]) == (201, 3, 1)
    assert diff["counts"] == {"dropped": 0, "added": 6, "changed": 0}
    assert [(row["before"], row["after"]["number"]) for row in diff["rows"]] == [(None, 41), (None, 42)]


def test_rows_and_checks_of_an_older_version_are_read_by_its_number(
    client: TestClient, cpu_worker: ChoreSlot, dataset: str
) -> None:
    mend(client, cpu_worker, dataset, recipe=DUPLICATES, publish=True)

    assert client.get(f"{dataset}/rows").json()["row_count"] == 42
    assert client.get(f"{dataset}/rows?version=1").json()["row_count"] == 48
    for number, count in ((1, 6), (2, 0)):
        checks = client.get(f"{dataset}/checks?version={number}").json()["checks"]
        assert {check["name"]: check["count"] for check in checks}["exact_duplicates"] == count
    assert len(client.get(f"{dataset}/checks/exact_duplicates/rows?version=1").json()["findings"]) == 6
    assert client.get(f"{dataset}/rows?version=3").status_code == 404


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"recipe": []},
        {"recipe": [{"do": "explode"}]},
        {"recipe": [{"do": "drop", "check": "../x"}]},
        {"recipe": DUPLICATES, "more": 1},
        {"recipe": [{"do": "edit", "number": 1, "row": {"prompt": "alone"}}]},
        {"recipe": [{"do": "choose_parent", "version": 1}]},
    ],
)
def test_what_is_no_recipe_is_refused_by_field(client: TestClient, dataset: str, wanted: dict[str, Any]) -> None:
    refused = client.post(f"{dataset}/mendings", json=wanted)

    assert refused.status_code == 422
    assert refused.json()["error"]["fields"], refused.text


def test_what_is_not_there_is_not_found(client: TestClient, cpu_worker: ChoreSlot, dataset: str) -> None:
    stopped = client.post(f"{dataset}/mendings", json={"recipe": DUPLICATES}).json()["id"]

    assert client.delete(f"{dataset}/mendings/{stopped}").json()["status"] == "cancelled"
    assert client.get(f"{dataset}/mendings/{stopped}/changes").status_code == 409
    assert client.post(f"{dataset}/mendings", json={"recipe": DUPLICATES, "version": 9}).status_code == 404
    assert client.post(f"{dataset}/versions", json={"use": 9}).status_code == 404
    assert client.get(f"{dataset}/diff?from=1&to=9").status_code == 404
