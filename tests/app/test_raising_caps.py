"""The cap of a run is raised from its page and over JSON."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from studio import runs
from studio.db import SessionFactory, transaction
from studio.runs import Run
from studio.runs.events import Stopped
from studio.settings import Settings
from tests.app.rows import set_run
from tests.runs.states import STEP, claimed, trained

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
MakeRun = Callable[..., Run]


@pytest.fixture
def waiting(make_run: MakeRun) -> Run:
    """A queued run of two hours at most."""
    return make_run(budget={"max_hours": 2})


def test_the_cap_of_a_run_that_waits_is_raised_on_its_page(client: TestClient, waiting: Run) -> None:
    page = client.get(f"/runs/{waiting.id}").text

    raised = client.post(f"/runs/{waiting.id}/cap", data={"max_hours": "3.5"}, follow_redirects=False)

    assert 'popovertarget="cap"' in page and 'name="max_hours" type="number" min="2.0"' in page
    assert 'name="max_dollars"' not in page
    assert (raised.status_code, raised.headers["location"]) == (303, f"/runs/{waiting.id}")
    assert "The cap was raised: 2 h → 3.5 h." in client.get(f"/runs/{waiting.id}/log").text


@pytest.mark.parametrize(
    ("limits", "status", "sentence"),
    [
        ({"max_hours": "1"}, 422, "A cap can only be raised; it is 2 h now."),
        ({"max_hours": ""}, 422, "Say a cap that is higher than the present one."),
    ],
)
def test_a_cap_that_is_not_higher_is_told_above_the_status(
    client: TestClient, waiting: Run, limits: dict[str, str], status: int, sentence: str
) -> None:
    refused = client.post(f"/runs/{waiting.id}/cap", data=limits)

    assert refused.status_code == status
    assert sentence in refused.text.split('id="run-now"')[0]


def test_while_it_trains_the_page_says_how_and_the_button_is_not_there(
    client: TestClient, waiting: Run, session_factory: SessionFactory
) -> None:
    set_run(session_factory, waiting, status="running", epoch=1)

    page = client.get(f"/runs/{waiting.id}").text
    refused = client.post(f"/runs/{waiting.id}/cap", data={"max_hours": "3"})

    assert 'popovertarget="cap">' not in page.split('id="run-now"')[1].split('id="rename"')[0]
    assert refused.status_code == 409 and "pause it, raise the cap, then resume it" in refused.text


def test_over_json_a_run_that_ended_at_its_cap_goes_on_as_a_new_one(
    client: TestClient, waiting: Run, session_factory: SessionFactory, settings: Settings
) -> None:
    lease = claimed(session_factory, waiting)
    trained(session_factory, lease, settings.runs_dir)
    with transaction(session_factory) as session:
        runs.record(session, lease, [Stopped(by="max_hours", step=STEP, total_steps=6)])
        runs.end(session, lease, "succeeded")

    page = client.get(f"/runs/{waiting.id}").text
    refused = client.post(f"/api/runs/{waiting.id}/cap", json={"max_hours": 0})
    made = client.post(f"/api/runs/{waiting.id}/cap", json={"max_hours": 3})

    assert "Go on with a higher cap" in page
    assert refused.status_code == 422 and set(refused.json()["error"]["fields"]) == {"max_hours"}
    assert made.status_code == 201 and made.headers["location"] == f"/api/runs/{made.json()['id']}"
    assert made.json()["spec"]["budget"]["max_hours"] == 3
    assert made.json()["parent_run_id"] == waiting.id
    assert "cap" in made.json()["actions"]
    assert "cap" not in client.get(f"/api/runs/{waiting.id}").json()["actions"]
    page = client.get(f"/runs/{waiting.id}").text
    assert "Go on with a higher cap" not in page and "goes on in a later run" in page
