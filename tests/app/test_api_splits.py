"""New splits over JSON."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.app.mending import upload
from worker.chores import ChoreSlot

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
PLAN = {"way": "stratified", "field": "answer", "validation_fraction": 0.25, "test_fraction": 0.25, "keep_test": False}


@pytest.fixture
def splits(client: TestClient, cpu_worker: ChoreSlot) -> str:
    """The address of the splits of a checked dataset of 40 rows with two answers."""
    return f"/api{upload(client, cpu_worker, [(f'Message {n}', 'ham' if n % 4 else 'spam') for n in range(40)])}/splits"


def ask(client: TestClient, cpu_worker: ChoreSlot, splits: str, **wanted: Any) -> dict[str, Any]:
    asked = client.post(splits, json={"plan": PLAN} | wanted)
    assert (asked.status_code, asked.json()["status"]) == (202, "queued"), asked.text
    cpu_worker.drain()
    shown: dict[str, Any] = client.get(f"{splits}/{asked.json()['id']}").json()
    return shown


def test_a_split_is_tried_and_then_makes_a_version_of_the_one_that_was_named(
    client: TestClient, cpu_worker: ChoreSlot, splits: str
) -> None:
    tried = ask(client, cpu_worker, splits)
    first = ask(client, cpu_worker, splits, publish=True)
    again = ask(client, cpu_worker, splits, publish=True, version=1, plan=PLAN | {"seed": 3})

    assert (tried["status"], tried["made"], tried["plan"]["way"]) == ("done", None, "stratified")
    assert tried["split_sizes"] == {"train": 20, "validation": 10, "test": 10}
    assert sorted(one["value"] for one in tried["values"]) == ["ham", "spam"]
    assert (first["made"], again["made"], again["version"]) == (2, 3, 1)
    assert client.get(f"{splits.removesuffix('/splits')}/versions").json()[0]["parent"] == 1


def test_what_cannot_be_split_is_refused_by_field_and_a_stopped_one_stays_stopped(
    client: TestClient, splits: str
) -> None:
    refused = client.post(splits, json={"plan": {"way": "grouped", "field": "person"}})
    waiting = client.post(splits, json={"plan": PLAN}).json()["id"]

    assert (refused.status_code, list(refused.json()["error"]["fields"])) == (422, ["split.field"])
    assert client.delete(f"{splits}/{waiting}").json()["status"] == "cancelled"
    assert client.get(f"{splits}/{waiting}").json()["split_sizes"]["train"] == 0
    assert client.get(f"{splits}/chr_01k0000000000000000000000a").status_code == 404
