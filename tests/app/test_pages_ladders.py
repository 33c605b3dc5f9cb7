"""Ladders as a person and a program see them: started from the form, followed, stopped, climbed on."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.deps import Services
from studio import ladders, runs
from studio.datasets import DatasetVersion
from studio.db import transaction
from studio.runs.events import BestMoved, Measured

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def form(version: DatasetVersion) -> dict[str, str]:
    """The launch form as it is sent by a person who ticked two rungs."""
    return {
        "data.dataset_version_id": version.id,
        "base_model.id": "demo",
        "method.kind": "lora",
        "idempotency_key": "key_of_the_form",
        "name": "My <ladder>",
        "ladder.min_gain": "5",
        "ladder.rungs.prompt_tuning": "on",
        "ladder.rungs.rank_8": "on",
    }


@pytest.fixture
def finish(services: Services) -> Callable[..., None]:
    """A worker trains the run that waits for some hours at a price, down to a loss; then a round is made."""

    def _finish(loss: float, *, hours: float, dollars_per_hour: float | None = 2.0) -> None:
        with transaction(services.session_factory) as session:
            lease = runs.claim_next(session, "w1")
            assert lease is not None
            measured = [Measured(step=0, values={"eval/loss": 3.0}), Measured(step=4, values={"eval/loss": loss})]
            runs.record(session, lease, [*measured, BestMoved(step=4, validation_loss=loss)])
            runs.end(session, lease, "succeeded")
            stint = session.get_one(runs.Stint, (lease.run_id, lease.epoch))
            stint.until, stint.dollars_per_hour = stint.began + 3600 * hours, dollars_per_hour
        ladders.climb(services.session_factory, queue=services.queue, settings=services.settings)

    return _finish


def test_a_ladder_is_started_from_the_form_and_climbs(
    client: TestClient, form: dict[str, str], finish: Callable[..., None]
) -> None:
    started = client.post("/ladders", data=form)
    first = started.text
    finish(2.0, hours=1)
    finish(1.21, hours=2)
    finish(1.2, hours=5)
    page = client.get(str(started.url)).text

    assert started.url.path.startswith("/ladders/lad_")
    assert "<h1 hx-ignore>My &lt;ladder&gt;</h1>" in first
    assert "Climbing" in first and "climbs for a gain of 5 %" in first and 'hx-trigger="every 4s"' in first
    assert re.findall(r"\d\. <a[^>]*>([^<]+)</a>", page) == ["Prompt tuning", "LoRA, rank 8", "LoRA, rank 16"]
    assert "rank 16 lowered the best validation loss by 0.8 % for $10.00 more, less than the 5 % that" in page
    assert "Keep LoRA, rank 8: 99 % of the quality of LoRA, rank 16, for $4.00 instead of $10.00." in page
    assert re.findall(r'data-label="gain per \$1">([^<]+)<', page) == ["17 %", "9.9 %", "0.08 %"]
    assert "spent $16.00 in 8 h 00 min" in page
    assert "LoRA, rank 8: loss 1.210 for $4.00; LoRA, rank 16: loss 1.200 for $10.00." in page
    assert 'hx-trigger="every 4s"' not in page


def test_the_same_form_twice_starts_one_ladder(client: TestClient, form: dict[str, str]) -> None:
    assert client.post("/ladders", data=form).url == client.post("/ladders", data=form).url


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ladder.min_gain": "much"}, "Write a number of percent, such as 2."),
        ({"ladder.min_gain": "70"}, "Between 0 and 50 %."),
        ({"ladder.min_gain": "nan"}, "Between 0 and 50 %."),
        ({"method.lora.rank": "8", "ladder.rungs.prompt_tuning": ""}, "A ladder has at least two rungs"),
        ({"data.dataset_version_id": ""}, "Pick a dataset of the list."),
    ],
)
def test_what_cannot_be_a_ladder_is_said_at_its_field(
    client: TestClient, form: dict[str, str], changes: dict[str, str], sentence: str
) -> None:
    sent = {name: text for name, text in (form | changes).items() if text or name not in changes}

    answer = client.post("/ladders", data=sent)

    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'name="ladder.rungs.rank_8" value="on" checked' in answer.text


def test_without_a_price_time_is_shown_and_the_way_to_a_price(
    client: TestClient, form: dict[str, str], finish: Callable[..., None]
) -> None:
    page = client.post("/ladders", data=form).url.path
    finish(2.0, hours=1, dollars_per_hour=None)
    finish(1.0, hours=3, dollars_per_hour=None)

    text = client.get(page).text

    assert re.findall(r'data-label="gain per hour">([^<]+)<', text) == ["33 %", "17 %", "–"]
    assert "Quality against time" in text and "Some of the time has no price" in text
    assert "Climb on" not in text


def test_a_ladder_is_stopped_with_its_run_and_climbed_on(client: TestClient, form: dict[str, str]) -> None:
    page = client.post("/ladders", data=form).url.path

    stopped = client.post(f"{page}/stop", data={"cancel_runs": "true"}).text
    on = client.post(f"{page}/climb").text
    again = client.post(f"{page}/stop", data={}).text

    assert "You stopped the ladder here." in stopped and "Cancelled" in stopped
    assert "Climb on to LoRA, rank 8" in stopped
    assert "Climbing" in on and "Waiting for its turn" in on
    assert "Waiting for its turn" in again and "Stopped" in again


def test_what_comes_too_late_is_refused_in_words(
    client: TestClient, form: dict[str, str], finish: Callable[..., None]
) -> None:
    page = client.post("/ladders", data=form).url.path
    for loss in (2.0, 1.5, 1.0):
        finish(loss, hours=1)

    assert client.post(f"{page}/stop").status_code == 409
    refused = client.post(f"{page}/climb")
    assert refused.status_code == 409
    assert "All rungs of this ladder were climbed." in refused.text


def test_a_run_leads_to_its_ladder_and_the_list_of_runs_names_it(client: TestClient, form: dict[str, str]) -> None:
    page = client.post("/ladders", data=form).url.path
    run_id = client.get(f"/api{page}").json()["rungs"][0]["run_id"]

    assert f'<a href="{page}">rung 1 of 3 of a ladder</a>' in client.get(f"/runs/{run_id}").text
    for path in ("/runs", "/ladders"):
        assert f'<a href="{page}" hx-ignore>My &lt;ladder&gt;</a>' in client.get(path).text
    assert page not in client.get("/runs?status=failed").text


def test_an_empty_list_says_what_a_ladder_is_and_the_form_offers_one(client: TestClient) -> None:
    assert "No ladder yet" in client.get("/ladders").text
    form = client.get("/runs/new").text
    assert 'formaction="/ladders"' in form
    assert re.findall(r'name="ladder.rungs.(\w+)" value="on" checked', form) == ["prompt_tuning", "rank_8", "rank_16"]


def test_the_form_tells_what_climbing_to_the_top_costs(client: TestClient, form: dict[str, str]) -> None:
    drawn = client.post("/runs/estimate", data=form | {"hardware": "l4"}, headers={"HX-Request": "true"}).text
    unknown = client.post("/runs/estimate", data=form, headers={"HX-Request": "true"}).text
    told = re.search(r"If it climbs to the top: <b>([^<]+)</b>", drawn)

    assert told is not None and re.search(r"\$\d.* in .*(s|min|h)$", told[1])
    assert "What all rungs come to is not known" in unknown


def test_what_is_not_there_is_not_found(client: TestClient) -> None:
    for path in ("/ladders/lad_0", "/ladders/lad_0/status", "/api/ladders/lad_0"):
        assert client.get(path).status_code == 404


def test_programs_start_follow_stop_and_climb(client: TestClient, version: DatasetVersion) -> None:
    data = {"dataset_version_id": version.id, "sha256": version.sha256}
    body: dict[str, Any] = {
        "spec": {"data": data, "method": {"kind": "lora"}},
        "rungs": ["ia3", "rank_8"],
        "min_gain": 0.1,
        "hardware": "l4",
    }
    key = {"Idempotency-Key": "one"}

    started = client.post("/api/ladders", json=body, headers=key)
    told = started.json()
    address = started.headers["location"]

    assert started.status_code == 201
    assert [rung["label"] for rung in told["rungs"]] == ["IA3", "LoRA, rank 8", "LoRA, rank 16"]
    assert [rung["status"] for rung in told["rungs"]] == ["queued", "waiting", "waiting"]
    assert (told["hardware"], told["notes"], told["rungs"][0]["estimated_for"]) == ("l4", [], "L4 24 GB")
    assert client.post("/api/ladders", json=body, headers=key).json()["id"] == told["id"]
    assert [one["id"] for one in client.get("/api/ladders").json()["items"]] == [told["id"]]
    stopped = client.post(f"{address}/stop", params={"cancel_runs": True}).json()
    assert (stopped["status"], stopped["rungs"][0]["status"]) == ("stopped", "cancelled")
    assert client.post(f"{address}/climb").json()["rungs"][1]["status"] == "queued"
    assert [rung["key"] for rung in client.get("/api/ladders/rungs").json()][:2] == ["prompt_tuning", "ia3"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rungs": ["rank_8", "x"]}, "rungs.1"),
        ({"rungs": []}, "rungs"),
        ({"min_gain": 0.9}, "min_gain"),
        ({"min_gain": "much"}, "min_gain"),
        ({"hardware": "abacus"}, "hardware"),
        ({"spec": {"data": {"dataset_version_id": "dsv_" + "0" * 26}}}, "spec.data.dataset_version_id"),
        ({"spec": {"method": {"kind": "lora", "rank": 0}}}, "spec.method.rank"),
        ({"spec": {"budget": {"max_hours": 1e-6}}}, "spec.budget.max_hours"),
    ],
)
def test_programs_are_told_the_field_by_the_name_that_they_sent(
    client: TestClient, version: DatasetVersion, changes: dict[str, Any], field: str
) -> None:
    spec = {"data": {"dataset_version_id": version.id, "sha256": version.sha256}, "method": {"kind": "lora"}}
    for part, asked in changes.get("spec", {}).items():
        spec[part] = spec.get(part, {}) | asked

    answer = client.post("/api/ladders", json={"hardware": "l4"} | changes | {"spec": spec})

    assert answer.status_code == 422
    assert set(answer.json()["error"]["fields"]) == {field}


def test_what_keeps_a_later_rung_from_its_launch_is_named_by_its_place(
    client: TestClient, form: dict[str, str], services: Services, version: DatasetVersion
) -> None:
    address = f"/api{client.post('/ladders', data=form).url.path}"
    client.post(f"{address}/stop", params={"cancel_runs": True})
    with transaction(services.session_factory) as session:
        session.get_one(DatasetVersion, version.id).sha256 = "0" * 64

    answer = client.post(f"{address}/climb")

    assert answer.status_code == 422
    assert [name[:13] for name in answer.json()["error"]["fields"]] == ["rungs.1.data."]
    assert client.get(address).json()["status"] == "stopped"
