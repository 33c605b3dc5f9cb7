"""Trial runs and the licences of a launch, over pages and JSON."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from studio.datasets import DatasetVersion
from studio.db import SessionFactory, transaction
from studio.runs import Run, validate_spec

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

REPORT: dict[str, Any] = {
    "device": "NVIDIA L4",
    "on_gpu": True,
    "memory_bytes": 24 * 2**30,
    "longest_steps": 10,
    "longest_tokens": 1024,
    "longest_step_seconds": 2.5,
    "ordinary_steps": 10,
    "step_seconds": 0.51,
    "tokens_per_second": 4100.0,
    "peak_memory_bytes": 12 * 2**30,
    "problems": [],
    "validation_rows": 50,
    "evaluated_share": 1.0,
    "evaluation_seconds": 4.2,
    "answers": 3,
    "answers_seconds": 1.5,
    "checkpoint_seconds": 0.4,
    "checkpoint_bytes": 40_000_000,
    "reload_seconds": 3.1,
    "generation_seconds": 1.2,
    "largest_difference": 0.0,
    "same_answers": True,
    "forecast": {"seconds": 3600.0, "parts": {}},
    "dollars_per_hour": 0.5,
    "steps": 1000,
}


@pytest.fixture
def spec(version: DatasetVersion) -> dict[str, Any]:
    data = {"dataset_version_id": version.id, "sha256": version.sha256}
    return {"base_model": {"id": "demo"}, "data": data, "method": {"kind": "lora"}}


def end_trial(session_factory: SessionFactory, run_id: str, report: dict[str, Any]) -> None:
    with transaction(session_factory) as session:
        run = session.get_one(Run, run_id)
        run.trial, run.status, run.phase = report, "succeeded", "done"


def test_a_trial_is_launched_and_reports_over_json(
    client: TestClient, spec: dict[str, Any], session_factory: SessionFactory
) -> None:
    made = client.post("/api/runs/trial", json={"spec": spec, "name": "First"})
    end_trial(session_factory, made.json()["id"], REPORT)
    seen = client.get(made.headers["location"]).json()

    assert made.status_code == 201
    assert (made.json()["kind"], made.json()["trial"]) == ("trial", {})
    assert (seen["kind"], seen["trial"]["step_seconds"]) == ("trial", 0.51)


def test_what_was_tried_is_launched_once(
    client: TestClient, spec: dict[str, Any], session_factory: SessionFactory
) -> None:
    trial = client.post("/api/runs/trial", json={"spec": spec}).json()["id"]
    end_trial(session_factory, trial, REPORT)

    full, again = (client.post(f"/api/runs/{trial}/full-run").json() for _ in range(2))

    assert (full["kind"], full["parent_run_id"]) == ("training", trial)
    tried = client.get(f"/api/runs/{trial}").json()
    assert validate_spec(full["spec"]) == validate_spec(tried["spec"])
    assert again["id"] == full["id"]
    assert client.post(f"/api/runs/{full['id']}/full-run").status_code == 409


def test_base_models_come_with_what_their_licence_says(client: TestClient) -> None:
    found = {one["id"]: one["license_facts"] for one in client.get("/api/base-models").json()}

    llama = found["meta-llama/Llama-3.2-1B-Instruct"]
    assert (llama["monthly_users"], llama["built_with"]) == (700_000_000, "Built with Llama")
    assert found["demo"]["name"] == "Apache-2.0"


def test_a_licence_that_asks_is_accepted_before_a_launch(client: TestClient, spec: dict[str, Any]) -> None:
    spec["base_model"] = {"id": "meta-llama/Llama-3.2-1B-Instruct"}

    refused = client.post("/api/runs", json={"spec": spec})
    spec["license"] = {"intended_use": "product", "accepted": True}
    made = client.post("/api/runs", json={"spec": spec})

    assert refused.status_code == 422
    assert "tick that you accept it" in refused.json()["error"]["fields"]["license.accepted"]
    assert made.status_code == 201
    assert 'a name that begins with "Llama"' in made.json()["license_statement"]


def test_a_dataset_takes_a_licence_over_json(client: TestClient, version: DatasetVersion) -> None:
    path = f"/api/datasets/{version.dataset_id}"

    said = client.patch(path, json={"license": "cc-by-nc-4.0"}).json()
    renamed = client.patch(path, json={"name": "Others"}).json()

    assert (said["license"], renamed["name"], renamed["license"]) == ("CC-BY-NC-4.0", "Others", "CC-BY-NC-4.0")
