"""What is done to a run over JSON: states, sentences, and new runs where one goes on."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from studio.db import SessionFactory
from studio.runs import Run
from studio.settings import Settings
from tests.app.rows import set_run
from tests.runs.states import STEP, in_state

MakeRun = Callable[..., Run]


@pytest.fixture
def failed(session_factory: SessionFactory, make_run: MakeRun, web_settings: Settings) -> Run:
    """A run that failed behind a checkpoint."""
    run = make_run(base_model={"id": "Qwen/Qwen3-0.6B"})
    in_state(session_factory, run, "failed", web_settings.runs_dir)
    set_run(session_factory, run, failure_kind="oom_gpu")
    return run


def test_a_run_is_paused_resumed_and_cancelled_each_twice(client: TestClient, make_run: MakeRun) -> None:
    run = make_run()

    for action, stands in [
        ("pause", ("queued", "pause", True, "Paused")),
        ("resume", ("queued", "run", False, "Waiting for its turn")),
        ("cancel", ("cancelled", "cancel", False, "Cancelled")),
    ]:
        for _ in range(2):
            answer = client.post(f"/api/runs/{run.id}/{action}")
            body = answer.json()
            assert answer.status_code == 200, body
            assert (body["status"], body["desired"], body["is_paused"], body["status_words"]) == stands

    kinds = [event["kind"] for event in client.get(f"/api/runs/{run.id}/events").json()]
    assert kinds == ["paused", "resumed", "cancelled"]


def test_a_running_run_is_stopped_and_kept(
    client: TestClient, make_run: MakeRun, session_factory: SessionFactory
) -> None:
    run = make_run()
    in_state(session_factory, run, "running")

    kept = client.post(f"/api/runs/{run.id}/keep")

    assert (kept.status_code, kept.json()["id"], kept.json()["desired"]) == (200, run.id, "keep")
    assert kept.json()["actions"] == ["cancel"]
    refused = client.post(f"/api/runs/{run.id}/pause")
    assert refused.status_code == 409
    assert refused.json()["error"]["message"].startswith("The run is already stopping to keep its best weights;")


def test_a_detail_says_what_can_be_done_and_what_may_help(client: TestClient, failed: Run) -> None:
    body = client.get(f"/api/runs/{failed.id}").json()

    assert body["actions"] == ["retry", "keep", "again"]
    assert body["checkpoint_step"] == STEP
    assert body["suggestions"][0] == {
        "key": "batch",
        "label": "batch 2 x accumulation 8",
        "why": "Half the activations at a time; 16 rows make a step as before. A little slower.",
    }


@pytest.mark.parametrize(("action", "desired"), [("retry", "run"), ("keep", "keep")])
def test_going_on_makes_one_new_run(client: TestClient, failed: Run, action: str, desired: str) -> None:
    first, second = (client.post(f"/api/runs/{failed.id}/{action}") for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    made = first.json()
    assert second.json()["id"] == made["id"] != failed.id
    assert first.headers["location"] == f"/api/runs/{made['id']}"
    assert (made["parent_run_id"], made["desired"], made["checkpoint_step"]) == (failed.id, desired, STEP)
    assert client.get(f"/api/runs/{made['id']}/series").json()["series"]["train/loss"][-1][0] == STEP


def test_running_again_takes_a_suggestion_and_a_key(client: TestClient, failed: Run) -> None:
    path = f"/api/runs/{failed.id}/again"

    first, second = (client.post(path, headers={"Idempotency-Key": "one"}) for _ in range(2))
    smaller = client.post(path, params={"suggestion": "checkpointing"})

    assert first.json()["id"] == second.json()["id"] != smaller.json()["id"]
    assert first.json()["checkpoint_step"] is None
    assert smaller.json()["spec"]["hyperparameters"]["gradient_checkpointing"] is True
    assert client.post(path, params={"suggestion": "magic"}).status_code == 422


def test_a_run_of_another_person_is_absent(client: TestClient, failed: Run, session_factory: SessionFactory) -> None:
    set_run(session_factory, failed, owner_id="usr_other")

    for action in ("pause", "resume", "cancel", "keep", "retry", "again"):
        assert client.post(f"/api/runs/{failed.id}/{action}").status_code == 404, action


def test_a_finished_run_says_that_it_finished(
    client: TestClient, make_run: MakeRun, session_factory: SessionFactory
) -> None:
    run = make_run()
    in_state(session_factory, run, "succeeded")

    for action in ("pause", "resume", "cancel", "keep", "retry"):
        answer = client.post(f"/api/runs/{run.id}/{action}")

        assert answer.status_code == 409, action
        assert answer.json()["error"]["message"].startswith("The run had already finished; nothing was ")


def test_the_document_describes_every_action(client: TestClient) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]

    for action in ("pause", "resume", "cancel", "keep", "retry", "again"):
        operation = paths[f"/api/runs/{{run_id}}/{action}"]["post"]
        assert operation["summary"] and operation["description"]
        made = "201" if action in {"retry", "again", "keep"} else "200"
        assert "RunDetailOut" in str(operation["responses"].get("200", operation["responses"][made]))
        assert made in operation["responses"]
