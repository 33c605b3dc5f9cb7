"""Checks over JSON."""

import json

import pytest
from fastapi.testclient import TestClient

from tests.app.test_pages_checks import PLANTED
from worker.chores import ChoreSlot

# What is shown is the same on both databases; what is stored is tested on both elsewhere.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def upload(client: TestClient) -> str:
    """Upload what is planted; returns the address of its checks."""
    content = "".join(json.dumps({"prompt": prompt, "completion": answer}) + "\n" for prompt, answer in PLANTED)
    made = client.post("/api/datasets", files={"file": ("rows.jsonl", content.encode())})
    return f"/api/datasets/{made.json()['id']}/checks"


def test_a_checkup_is_followed_to_its_findings(client: TestClient, cpu_worker: ChoreSlot) -> None:
    checks = upload(client)
    waiting = client.get(checks).json()

    cpu_worker.drain()

    done = client.get(checks).json()
    found = client.get(f"{checks}/contradictions/rows?start=1&limit=2").json()
    assert (waiting["status"], waiting["checks"]) == ("queued", [])
    assert done["status"] == "done"
    assert {check["name"]: check["count"] for check in done["checks"] if check["count"]}["contradictions"] == 4
    assert found["count"] == 4
    assert [finding["other"] for finding in found["findings"]] == [2, 603]


def test_one_that_is_going_on_is_not_begun_twice(client: TestClient) -> None:
    checks = upload(client)

    assert client.post(checks).json()["id"] == client.get(checks).json()["id"]


def test_stopping_is_told_and_an_unknown_check_is_not_found(client: TestClient) -> None:
    checks = upload(client)

    assert client.delete(checks).json()["status"] == "cancelled"
    assert client.get(f"{checks}/no_such_check/rows").status_code == 404
