"""What was accepted is one statement: when the licences say something else, it is asked again."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.deps import Services
from studio import datasets, ladders, runs
from studio.actors import LOCAL_ACTOR
from studio.budget.licensing import ACCEPT, CHANGED
from studio.datasets import DatasetVersion
from studio.db import SessionFactory, reading, transaction
from studio.runs import validate_spec
from tests.app.rows import HTMX
from tests.app.test_pages_trial import box, key_in
from tests.app.test_trials import REPORT, end_trial
from tests.ladders.climbs import finish

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def spec(version: DatasetVersion, session_factory: SessionFactory) -> dict[str, Any]:
    """A spec whose dataset may only be shared alike, which was accepted."""
    say(session_factory, version, "CC-BY-SA-4.0")
    data = {"dataset_version_id": version.id, "sha256": version.sha256}
    return {"base_model": {"id": "demo"}, "data": data, "method": {"kind": "lora"}, "license": {"accepted": True}}


def say(session_factory: SessionFactory, version: DatasetVersion, name: str) -> None:
    with transaction(session_factory) as session:
        datasets.set_license(session, LOCAL_ACTOR, version.dataset_id, name)


def launch(client: TestClient, spec: dict[str, Any], path: str = "/api/runs") -> dict[str, Any]:
    made = client.post(path, json={"spec": spec})
    assert made.status_code == 201, made.text
    return dict(made.json())


def filled(page: str) -> dict[str, str]:
    """What the licence's part of a form would send; the box as it is ticked."""
    accepted = {"license.accepted": "true"} if "checked" in box(page) else {}
    return {"license.statement": key_in(page)} | accepted


def test_the_same_statement_need_not_be_accepted_twice(client: TestClient, spec: dict[str, Any]) -> None:
    run = launch(client, spec)

    again = client.post(f"/runs/{run['id']}/again", follow_redirects=False)
    form = client.get(f"/runs/new?from={run['id']}").text

    assert re.fullmatch(r"/runs/run_\w+", again.headers["location"])
    assert "checked" in box(form) and CHANGED not in form


def test_a_setting_that_is_half_typed_takes_no_tick_away(
    client: TestClient, spec: dict[str, Any], version: DatasetVersion
) -> None:
    form = {"data.dataset_version_id": version.id, "base_model.id": "demo", "method.kind": "lora"}
    ticked = form | {
        "license.statement": key_in(client.post("/runs/estimate", data=form).text),
        "license.accepted": "true",
        "budget.max_dollars": "0",
    }

    live = client.post("/runs/estimate", data=ticked, headers=HTMX).text
    refused = client.post("/runs", data=ticked).text

    assert "must be greater than 0" in live and 'hx-target="#license-statement"' not in live
    assert "checked" in box(refused)


def test_running_again_leads_to_the_form_once_the_data_has_another_licence(
    client: TestClient, spec: dict[str, Any], session_factory: SessionFactory, version: DatasetVersion
) -> None:
    run = launch(client, spec)
    say(session_factory, version, "CC-BY-NC-4.0")

    again = client.post(f"/runs/{run['id']}/again", follow_redirects=False)
    live = client.post(f"/runs/{run['id']}/again", headers=HTMX)
    page = client.get(again.headers["location"]).text

    place = f"/runs/new?from={run['id']}&asks=license#license-statement"
    assert (again.headers["location"], live.headers["HX-Redirect"]) == (place, place)
    assert CHANGED in page and "checked" not in box(page) and "Commercial use is not allowed." in page

    form = {"data.dataset_version_id": version.id, "method.kind": "lora", "parent_run_id": run["id"]} | filled(page)
    refused = client.post("/runs", data=form)
    launched = client.post("/runs", data=form | {"license.accepted": "true"}, follow_redirects=False)
    kept = client.get(f"/api{launched.headers['location']}").json()

    assert refused.status_code == 422
    assert "Commercial use is not allowed." in kept["license_statement"] and kept["parent_run_id"] == run["id"]


def test_a_suggestion_stays_chosen_while_its_licences_are_read(
    client: TestClient, spec: dict[str, Any], session_factory: SessionFactory, version: DatasetVersion
) -> None:
    run = launch(client, spec)
    say(session_factory, version, "CC-BY-NC-4.0")

    again = client.post(f"/runs/{run['id']}/again?suggestion=clipping", follow_redirects=False)
    page = client.get(again.headers["location"]).text

    assert "suggestion=clipping" in again.headers["location"]
    clipped = re.search(r'name="hyperparameters.max_gradient_norm"[^>]*value="([0-9.]+)"', page)
    assert clipped is not None and float(clipped[1]) < 1


def test_what_had_nothing_to_accept_says_what_there_is_now(
    client: TestClient, spec: dict[str, Any], session_factory: SessionFactory, version: DatasetVersion
) -> None:
    say(session_factory, version, "CC0-1.0")
    trial = launch(client, spec | {"license": {}}, "/api/runs/trial")["id"]
    end_trial(session_factory, trial, REPORT)
    say(session_factory, version, "CC-BY-SA-4.0")

    answer = client.post(f"/runs/{trial}/full-run", follow_redirects=False)
    page = client.get(answer.headers["location"]).text

    assert ACCEPT in page and "checked" not in box(page)


def test_programs_accept_one_statement_too(
    client: TestClient, spec: dict[str, Any], session_factory: SessionFactory, version: DatasetVersion
) -> None:
    read = client.post("/api/runs/licenses", json={"spec": spec}).json()
    run = launch(client, spec)
    trial = launch(client, spec, "/api/runs/trial")["id"]
    end_trial(session_factory, trial, REPORT)
    say(session_factory, version, "CC-BY-NC-4.0")

    answers = [
        client.post("/api/runs", json={"spec": run["spec"]}),
        client.post(f"/api/runs/{run['id']}/again"),
        client.post(f"/api/runs/{trial}/full-run"),
    ]
    now = client.post("/api/runs/licenses", json={"spec": spec}).json()
    accepted = launch(client, spec | {"license": {"accepted": True, "statement": now["key"]}})

    assert read["needs_acceptance"] and read["text"] == run["license_statement"]
    assert run["spec"]["license"]["statement"] == read["key"] != now["key"]
    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert {answer.json()["error"]["fields"]["license.accepted"] for answer in answers} == {CHANGED}
    assert "Commercial use is not allowed." in accepted["license_statement"]


def test_a_ladder_waits_until_other_licences_are_accepted(
    client: TestClient, spec: dict[str, Any], services: Services, version: DatasetVersion
) -> None:
    factory = services.session_factory
    rungs = ["prompt_tuning", "rank_8"]
    place = client.post("/api/ladders", json={"spec": spec, "rungs": rungs}).headers["location"].removeprefix("/api")
    say(factory, version, "CC-BY-NC-4.0")
    finish(factory, 2.0)
    ladders.climb(factory, queue=services.queue, settings=services.settings)

    stopped = client.get(place).text
    refused = client.post(f"{place}/climb")
    accepted = client.post(
        f"{place}/climb", data={"license.accepted": "true"} | {"license.statement": key_in(refused.text)}
    )

    assert f"could not be launched: {CHANGED}" in stopped
    assert "Ended</span>" in stopped and "Climb on to" in stopped
    assert refused.status_code == 422 and "Commercial use is not allowed." in refused.text
    assert "Accept and climb on" in refused.text and "Climb on to" not in refused.text
    assert accepted.status_code == 200 and CHANGED not in accepted.text
    with reading(factory) as session:
        newest = runs.list_runs(session, LOCAL_ACTOR)[0]
    assert newest.rung == 1 and "Commercial use is not allowed." in newest.license_statement


def test_a_key_of_no_statement_is_told_and_nothing_is_launched(
    client: TestClient, spec: dict[str, Any], services: Services, version: DatasetVersion
) -> None:
    made = client.post("/api/ladders", json={"spec": spec, "rungs": ["prompt_tuning", "rank_8"]}).headers["location"]
    say(services.session_factory, version, "CC-BY-NC-4.0")
    finish(services.session_factory, 2.0)
    ladders.climb(services.session_factory, queue=services.queue, settings=services.settings)

    page = made.removeprefix("/api")
    refused = client.post(f"{page}/climb", data={"license.accepted": "true", "license.statement": "no key"})

    assert refused.status_code == 422 and CHANGED in refused.text
    assert client.get(made).json()["rungs"][1]["run_id"] is None


def test_licences_are_accepted_while_a_rung_still_trains(
    client: TestClient, spec: dict[str, Any], services: Services, version: DatasetVersion
) -> None:
    made = client.post("/api/ladders", json={"spec": spec, "rungs": ["prompt_tuning", "rank_8"]}).headers["location"]
    client.post(f"{made}/stop")
    say(services.session_factory, version, "CC-BY-NC-4.0")
    key = client.post("/api/runs/licenses", json={"spec": spec}).json()["key"]

    wrong, right = (client.post(f"{made}/climb?accepts={one}") for one in ("0123456789abcdef", key))
    finish(services.session_factory, 2.0)
    ladders.climb(services.session_factory, queue=services.queue, settings=services.settings)

    assert (wrong.status_code, right.status_code) == (422, 200)
    assert client.get(made).json()["rungs"][1]["status"] == "queued"


def test_a_program_climbs_on_under_other_licences(
    client: TestClient, spec: dict[str, Any], services: Services, version: DatasetVersion
) -> None:
    made = client.post("/api/ladders", json={"spec": spec, "rungs": ["prompt_tuning", "rank_8"]}).headers["location"]
    say(services.session_factory, version, "CC-BY-NC-4.0")
    finish(services.session_factory, 2.0)
    ladders.climb(services.session_factory, queue=services.queue, settings=services.settings)
    key = client.post("/api/runs/licenses", json={"spec": spec}).json()["key"]

    refused, climbed = client.post(f"{made}/climb"), client.post(f"{made}/climb?accepts={key}")

    assert refused.status_code == 422
    assert climbed.status_code == 200 and climbed.json()["status"] == "climbing"


def test_a_spec_that_accepts_nothing_names_no_statement(version: DatasetVersion) -> None:
    data = {"dataset_version_id": version.id, "sha256": version.sha256}

    spec = validate_spec({"data": data, "license": {"accepted": False, "statement": "0123456789abcdef"}})

    # Version 0.1 would refuse a name that it does not know.
    assert "license" not in spec.model_dump(mode="json")
