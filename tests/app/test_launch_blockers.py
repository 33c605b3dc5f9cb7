"""The launch form shows what of the data stands in the way of a run, refuses it, and leads to the fix."""

import json

import pytest
from fastapi.testclient import TestClient

from studio.actors import LOCAL_ACTOR
from studio.chores import Chore
from studio.datasets import DatasetVersion
from studio.datasets.checkups import checkup_key
from studio.db import SessionFactory, transaction

# What is shown is the same on both databases; what is stored is tested on both elsewhere.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

BLOCKER = {
    "name": "broken_rows",
    "title": "Broken rows",
    "severity": "blocker",
    "advice": "Drop them.",
    "count": 3,
}


@pytest.fixture
def blocked(version: DatasetVersion, session_factory: SessionFactory) -> DatasetVersion:
    """A version whose checkup has found a blocker."""
    result = {"checks": [BLOCKER], "health": {"blocker": 1, "warning": 0, "note": 0}}
    with transaction(session_factory) as session:
        chore = Chore(owner_id=LOCAL_ACTOR.id, kind="checkup", key=checkup_key(version), version_id=version.id)
        chore.status, chore.result = "done", result
        session.add(chore)
    return version


def form_of(version: DatasetVersion) -> dict[str, str]:
    """A form that could else be launched."""
    return {"data.dataset_version_id": version.id, "method.kind": "lora"}


def test_the_plan_names_the_blocker_and_leads_to_its_rows(client: TestClient, blocked: DatasetVersion) -> None:
    plan = client.post("/runs/estimate", data=form_of(blocked), headers={"HX-Request": "true"}).text

    assert "Broken rows: 3 rows. Drop them." in plan
    assert f'href="/datasets/{blocked.dataset_id}/checks/broken_rows?version=1"' in plan
    assert 'form="launch-form" disabled' in plan


def test_the_launch_is_refused_on_the_page_and_over_json(client: TestClient, blocked: DatasetVersion) -> None:
    spec = {"data": {"dataset_version_id": blocked.id, "sha256": blocked.sha256}}

    page = client.post("/runs", data=form_of(blocked))
    answer = client.post("/api/runs", json={"spec": spec})

    assert (page.status_code, answer.status_code) == (422, 422)
    assert "Broken rows: 3 rows. Drop them." in page.text and "It is mended on" not in page.text
    assert "Drop them. It is mended on /datasets/" in answer.json()["error"]["message"]
    assert "Broken rows" in json.dumps(answer.json())
    assert client.get("/api/runs").json()["items"] == []


def test_what_was_not_looked_at_blocks_nothing(client: TestClient, version: DatasetVersion) -> None:
    assert client.post("/runs", data=form_of(version), follow_redirects=False).status_code == 303
