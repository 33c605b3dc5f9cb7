"""The trial run on its pages, and the licences in the launch form."""

import re

import pytest
from fastapi.testclient import TestClient

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.datasets import DatasetVersion
from studio.db import SessionFactory, reading
from tests.app.rows import HTMX
from tests.app.test_trials import REPORT, end_trial

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
LLAMA = {"base_model.id": "meta-llama/Llama-3.2-1B-Instruct"}


@pytest.fixture
def form(version: DatasetVersion) -> dict[str, str]:
    """A form that can be launched."""
    return {"data.dataset_version_id": version.id, "method.kind": "lora", "idempotency_key": "key_1"}


def try_out(client: TestClient, form: dict[str, str]) -> str:
    """The page of a new trial."""
    answer = client.post("/runs/trial", data=form, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_the_form_offers_a_trial_and_can_still_be_launched(client: TestClient, form: dict[str, str]) -> None:
    drawn = client.get("/runs/new").text

    trial = try_out(client, form)
    run = client.post("/runs", data=form, follow_redirects=False).headers["location"]

    assert 'formaction="/runs/trial"' in drawn
    assert trial != run
    page = client.get(trial).text
    assert "trial run</span>" in page
    assert "takes about two minutes at most and leaves no adapter" in page
    assert 'id="download"' not in page
    assert "Step <b>0</b> of <b>20</b>" in page
    assert "trial</span>" in client.get("/runs").text


def test_a_form_that_is_wrong_is_shown_again(client: TestClient, form: dict[str, str]) -> None:
    answer = client.post("/runs/trial", data=form | {"hyperparameters.batch_size": "0"})

    assert answer.status_code == 422
    assert "Some settings need another look" in answer.text


def test_the_report_says_what_the_full_run_takes(
    client: TestClient, form: dict[str, str], session_factory: SessionFactory
) -> None:
    place = try_out(client, form)
    end_trial(session_factory, place.rsplit("/", 1)[1], REPORT)

    page = client.get(place).text

    assert "The full run of 1,000 steps takes <b>54 to 66 min</b> and costs <b>$0.45 to $0.55</b>" in page
    assert "Most memory in use: <b>12 GiB of 24 GiB</b>" in page
    assert "the same answers, word for word" in page
    assert "1,024 tokens in the longest row" in page
    assert "Launch the full run - $0.45 to $0.55" in page


def test_a_trial_that_was_ended_says_what_it_knows(
    client: TestClient, form: dict[str, str], session_factory: SessionFactory
) -> None:
    place = try_out(client, form)
    early = ("evaluat", "checkpoint", "forecast", "answers", "dollars")
    report = {name: value for name, value in REPORT.items() if not name.startswith(early)}
    end_trial(session_factory, place.rsplit("/", 1)[1], report | {"ordinary_steps": 0, "problems": ["It was ended."]})

    page = client.get(place).text

    assert "It was ended." in page
    assert "A step on the longest rows" in page
    assert "The full run of" not in page


def test_the_full_run_is_one_click_away(
    client: TestClient, form: dict[str, str], session_factory: SessionFactory
) -> None:
    place = try_out(client, form | {"method.lora.rank": "4"})
    end_trial(session_factory, place.rsplit("/", 1)[1], REPORT)

    answer = client.post(f"{place}/full-run", follow_redirects=False)

    with reading(session_factory) as session:
        run = runs.get_run(session, LOCAL_ACTOR, answer.headers["location"].rsplit("/", 1)[1])
    assert (run.kind, run.run_spec.method.model_dump()["rank"]) == ("training", 4)
    assert place.endswith(str(run.parent_run_id))


def box(page: str) -> str:
    """The box that accepts the statement; empty where nothing has to be accepted."""
    found = re.search(r'<input type="checkbox" id="field-license-accepted"[^>]*>', page)
    return found[0] if found else ""


def key_in(page: str) -> str:
    found = re.search(r'name="license.statement" value="([0-9a-f]+)"', page)
    assert found
    return found[1]


def test_the_demo_model_asks_for_nothing(client: TestClient, form: dict[str, str]) -> None:
    page = client.post("/runs/estimate", data=form).text

    assert box(page) == ""
    assert "Nothing has to be accepted here" in page
    assert "Dataset Numbers: not said" in page


def test_what_a_licence_asks_is_told_live_and_accepted_by_a_box(client: TestClient, form: dict[str, str]) -> None:
    asked = client.post("/runs/estimate", data=form | LLAMA, headers=HTMX).text
    refused = client.post("/runs", data=form | LLAMA)
    accepted = form | LLAMA | {"license.accepted": "true", "license.statement": key_in(asked)}
    launched = client.post("/runs", data=accepted)

    assert "Llama 3.2 Community License Agreement" in asked and "checked" not in box(asked)
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in box(refused.text)
    assert "Accepted at launch." in launched.text
    assert "700 million monthly users" in launched.text


def test_a_box_that_was_ticked_for_another_use_does_not_count(client: TestClient, form: dict[str, str]) -> None:
    key = key_in(client.post("/runs/estimate", data=form | LLAMA).text)
    other = form | LLAMA | {"license.accepted": "true", "license.statement": key, "license.intended_use": "product"}

    drawn = client.post("/runs/estimate", data=other).text
    refused = client.post("/runs", data=other)

    assert "checked" not in box(drawn)
    assert "For a product: " in drawn
    assert refused.status_code == 422


def test_the_owner_says_the_licence_on_the_page_of_the_dataset(client: TestClient, version: DatasetVersion) -> None:
    place = f"/datasets/{version.dataset_id}"

    before = client.get(place).text
    client.post(f"{place}/license", data={"license": "CC-BY-SA-4.0"})
    known = client.get(place).text
    client.post(f"{place}/license", data={"license": "other", "other": "Acme terms"})
    other = client.get(place).text

    assert "Not said" in before and "Say it" in before
    assert '<option value="CC-BY-SA-4.0" selected>' in known
    assert 'value="Acme terms"' in other and '<option value="other" selected>' in other
