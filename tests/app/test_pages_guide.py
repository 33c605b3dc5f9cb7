"""The guide: six questions answered with and without JavaScript, and over JSON."""

import re

import pytest
from fastapi.testclient import TestClient

from studio.datasets import DatasetVersion

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

TUNE = {
    "learn": "behaviour",
    "change": "rarely",
    "examples": "many",
    "format": "strict",
    "latency": "fast",
    "license": "yes",
}


def test_the_page_asks_six_questions_and_waits_for_all_answers(client: TestClient) -> None:
    empty = client.get("/guide").text
    two = client.get("/guide/advice", params={"learn": "both", "change": "weekly"}).text

    assert empty.count('role="radiogroup"') == 6
    assert "Answer the six questions" in empty
    assert "2 of 6 questions answered." in two
    assert "<html" not in two


def test_answers_are_kept_and_the_advice_is_shown_without_javascript(client: TestClient) -> None:
    page = client.get("/guide", params=TUNE).text

    assert page.count(" checked") == 6
    assert "Fine-tune. More than 1,000 examples hold more than any prompt can." in page
    assert "<b>LoRA, rank 16</b> on <b>Qwen3 0.6B</b>" in page


def test_the_advice_leads_to_a_launch_form_that_is_filled_with_it(client: TestClient) -> None:
    page = client.get("/guide/advice", params=TUNE).text
    link = re.search(r'href="(/runs/new\?[^"]+)"', page)

    assert link is not None
    form = client.get(link[1].replace("&amp;", "&")).text
    assert re.search(r'name="method.kind" value="lora"[^>]*checked', form)
    assert re.search(r'name="method.lora.rank"[^>]*value="16"', form)
    assert re.search(r'<option value="Qwen/Qwen3-0.6B"[^>]*selected', form)


def test_the_form_advises_for_what_the_result_is_wanted_for(client: TestClient, version: DatasetVersion) -> None:
    form = {"data.dataset_version_id": version.id, "base_model.id": "Qwen/Qwen3-8B", "hardware": "h100-sxm"}

    page = client.post("/runs/estimate", data=form | {"goal": "many_tasks"}).text
    odd = client.post("/runs/estimate", data=form | {"goal": "riches"}).text

    assert '<option value="many_tasks" selected>' in page
    assert "<b>Advice:</b> Prompt tuning: many tasks share one base" in page
    assert '<option value="task" selected>' in odd


def test_looking_facts_up_is_said_to_be_outside_of_the_studio(client: TestClient) -> None:
    page = client.get("/guide/advice", params=TUNE | {"learn": "knowledge", "change": "weekly"}).text

    assert "Look the facts up (RAG). It changes every week" not in page
    assert "Look the facts up (RAG). Facts that are looked up can be checked" in page
    assert "Tunewright does not search documents." in page
    assert "/runs/new" not in page


@pytest.mark.parametrize("path", ["/", "/runs", "/runs/new"])
def test_the_guide_is_offered_before_the_first_run(client: TestClient, path: str) -> None:
    assert 'href="/guide"' in client.get(path).text


def test_programs_get_the_questions_and_the_same_advice(client: TestClient) -> None:
    questions = client.get("/api/guide").json()
    told = client.post("/api/guide", json={"answers": TUNE}).json()

    assert [question["name"] for question in questions] == list(TUNE)
    assert told["sentence"] == "Fine-tune. More than 1,000 examples hold more than any prompt can."
    assert told["ranking"][0]["way"] == "fine_tune"
    assert {way["way"] for way in told["ranking"]} == {"prompt", "few_shot", "rag", "fine_tune", "pretrain"}


def test_a_missing_answer_is_named(client: TestClient) -> None:
    answer = client.post("/api/guide", json={"answers": TUNE | {"format": "odd"}})

    assert answer.status_code == 422
    assert answer.json()["error"]["fields"] == {"format": "Choose one: free, strict."}


def test_programs_are_advised_on_the_method_of_a_spec(client: TestClient, version: DatasetVersion) -> None:
    data = {"dataset_version_id": version.id, "sha256": version.sha256, "max_length_tokens": 256}
    spec = {"data": data, "base_model": {"id": "Qwen/Qwen3-8B"}, "hyperparameters": {"batch_size": 1}}

    told = client.post("/api/guide/method", json={"spec": spec, "hardware": "t4"}).json()

    many = client.post("/api/guide/method", json={"spec": spec, "hardware": "h100-sxm", "goal": "many_tasks"}).json()

    assert told["kind"] == "ia3"
    assert many["kind"] == "prompt_tuning"
    assert told["sentence"] == "IA3 over a 4-bit base: IA3 does not fit this GPU; over a 4-bit base it fits."
    assert told["reasons"][1] == "32 rows are few: it has the fewest numbers to learn them by heart."
    assert told["settings"]["hyperparameters.epochs"] == 5.0
    assert told["smaller_model"] == "Qwen/Qwen3-0.6B"
    assert client.post("/api/guide/method", json={"spec": spec, "hardware": "abacus"}).status_code == 422
