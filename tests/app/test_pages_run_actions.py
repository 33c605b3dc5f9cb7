"""The buttons of a run's page: which are there, what each does, and what is told when another was faster."""

import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.db import SessionFactory, database_seconds, reading, transaction
from studio.runs import Run, Worker
from studio.settings import Settings
from tests.app.rows import HTMX, set_run
from tests.runs.states import STEP, in_state

MakeRun = Callable[..., Run]
# State, whether there is a checkpoint, and the addresses of the buttons in their order.
BUTTONS = [
    ("queued", False, ["pause"]),
    ("queued", True, ["pause", "keep"]),
    ("paused", False, ["resume"]),
    ("paused", True, ["resume", "keep"]),
    ("running", False, ["pause", "keep"]),
    ("pausing", False, ["resume", "keep"]),
    ("keeping", False, []),
    ("cancelling", False, []),
    ("succeeded", False, ["again"]),
    ("cancelled", False, ["again"]),
    ("cancelled", True, ["retry", "keep", "again"]),
    ("failed", False, ["again", "again"]),
    ("failed", True, ["again", "retry", "keep"]),
]
WORDS = [
    ("queued", False, "Next in line"),
    ("paused", True, "no GPU is held and nothing is spent while it is paused"),
    ("pausing", True, "saves a checkpoint, then its GPU is free"),
    ("keeping", True, "the best weights become the adapter"),
    ("running", True, f"Lost are the steps since the last checkpoint (step {STEP})"),
    ("running", True, f"Last checkpoint: step {STEP},"),
    ("running", False, f"There is no checkpoint yet, so all {STEP} steps are lost."),
    ("paused", False, "Nothing has been trained yet."),
    ("cancelled", True, f"Continue from step {STEP}"),
    ("cancelled", False, "before there was a checkpoint"),
]
FAILURES = [
    ("oom_gpu", "The GPU ran out of memory.", ["Run again with batch 2 x accumulation 8", "Continue from step 4"]),
    ("oom_host", "The machine ran out of memory.", ["Run again with a 4-bit base", "Choose another base model"]),
    (
        "non_finite",
        "The loss became infinite or not a number.",
        ["Run again with half the learning rate (0.0001)", "Keep the best up to step 4"],
    ),
    ("disk_full", "The disk is full.", ["Continue from step 4"]),
    ("bad_data", "The data cannot be trained on.", ["Look at the dataset"]),
    ("model_load", "The base model could not be loaded.", ["Choose another base model"]),
    ("crash_loop", "The trainer ended without a result several times in a row.", ["Continue from step 4"]),
    ("timeout", "The trainer stopped making progress, twice.", ["Continue from step 4"]),
    ("internal", "Something failed inside the trainer.", ["Continue from step 4"]),
]
FORM = re.compile(r'<form method="post" action="/runs/[^/]+/([a-z0-9?=.-]+)"')


@pytest.fixture
def stand(
    session_factory: SessionFactory, make_run: MakeRun, web_settings: Settings, client: TestClient
) -> Callable[..., tuple[Run, str]]:
    """A run in a state, by way of a checkpoint if asked, with columns as given; and its page."""

    def _stand(state: str, *, checkpoint: bool = False, **columns: object) -> tuple[Run, str]:
        run = make_run("Mine", base_model={"id": "Qwen/Qwen3-0.6B"})
        in_state(session_factory, run, state, web_settings.runs_dir if checkpoint else None)
        set_run(session_factory, run, **columns)
        return run, client.get(f"/runs/{run.id}").text

    return _stand


def test_each_state_has_its_buttons(stand: Callable[..., tuple[Run, str]]) -> None:
    for state, has_checkpoint, buttons in BUTTONS:
        _, page = stand(state, checkpoint=has_checkpoint)

        assert [path for path in FORM.findall(page) if path not in {"name", "cancel"}] == buttons, state
        can_cancel = re.search(r'<button[^>]*id="run-cancel"[^>]*?>', page)
        assert (can_cancel is not None) == (state not in runs.TERMINAL), state
        assert can_cancel is None or ("disabled" in can_cancel[0]) == (state == "cancelling")


def test_each_state_says_how_it_stands(stand: Callable[..., tuple[Run, str]]) -> None:
    for state, has_checkpoint, words in WORDS:
        _, page = stand(state, checkpoint=has_checkpoint)

        assert words in " ".join(page.split()), state


def test_pressing_a_button_leads_back_to_the_page(client: TestClient, stand: Callable[..., tuple[Run, str]]) -> None:
    run, _ = stand("queued")

    for action, words in [("pause", "Paused"), ("resume", "Waiting for its turn"), ("cancel", "Cancelled")]:
        answer = client.post(f"/runs/{run.id}/{action}", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{run.id}")
        assert words in client.get(answer.headers["location"]).text


def test_htmx_gets_the_status_and_the_words_of_the_cancel_dialog(
    client: TestClient, stand: Callable[..., tuple[Run, str]]
) -> None:
    run, _ = stand("running")

    answer = client.post(f"/runs/{run.id}/pause", headers=HTMX)

    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<div id="run-status"')
    assert '<hx-partial hx-target="#cancel-loss"' in answer.text
    assert '<hx-partial hx-target="#run-notice" hx-swap="innerHTML"></hx-partial>' in answer.text


def test_who_comes_too_late_is_told_on_the_page(client: TestClient, stand: Callable[..., tuple[Run, str]]) -> None:
    run, _ = stand("succeeded")
    sentence = "The run had already finished; nothing was "

    for action in ("pause", "resume", "keep", "cancel"):
        page = client.post(f"/runs/{run.id}/{action}")
        fragment = client.post(f"/runs/{run.id}/{action}", headers=HTMX)

        assert (page.status_code, fragment.status_code) == (409, 409)
        assert sentence in page.text and 'id="loss-chart"' in page.text
        assert sentence in fragment.text and fragment.text.lstrip().startswith('<div id="run-status"')


@pytest.mark.parametrize("action", ["retry", "keep"])
def test_going_on_leads_to_one_new_run(client: TestClient, stand: Callable[..., tuple[Run, str]], action: str) -> None:
    run, _ = stand("failed", checkpoint=True)

    places = {client.post(f"/runs/{run.id}/{action}", follow_redirects=False).headers["location"] for _ in range(2)}
    places.add(client.post(f"/runs/{run.id}/{action}", headers=HTMX).headers["hx-redirect"])

    assert len(places) == 1
    page = client.get(places.pop()).text
    assert f'href="/runs/{run.id}">follows an earlier run' in page
    assert f"from step {STEP} of the run before it" in page


def test_running_again_twice_with_one_key_makes_one_run(
    client: TestClient, stand: Callable[..., tuple[Run, str]]
) -> None:
    run, page = stand("cancelled")
    key = re.search(r'name="idempotency_key" value="([^"]+)"', page)
    assert key is not None

    answers = [
        client.post(f"/runs/{run.id}/again", data={"idempotency_key": key[1]}, follow_redirects=False) for _ in range(2)
    ]

    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1


def test_a_suggestion_is_one_click_away(
    client: TestClient, stand: Callable[..., tuple[Run, str]], session_factory: SessionFactory
) -> None:
    run, page = stand("failed", failure_kind="oom_gpu")
    offered = [path for path in FORM.findall(page) if path.startswith("again?")]

    assert offered[:3] == ["again?suggestion=batch", "again?suggestion=checkpointing", "again?suggestion=4-bit"]
    answer = client.post(f"/runs/{run.id}/{offered[0]}", follow_redirects=False)

    with reading(session_factory) as session:
        made = runs.get_run(session, LOCAL_ACTOR, answer.headers["location"].removeprefix("/runs/"))
    assert (made.run_spec.hyperparameters.batch_size, made.run_spec.hyperparameters.effective_batch) == (2, 16)
    assert client.post(f"/runs/{run.id}/again?suggestion=magic").status_code == 422


def test_each_failure_has_a_sentence_a_cause_and_the_next_step(stand: Callable[..., tuple[Run, str]]) -> None:
    for kind, sentence, next_steps in FAILURES:
        _, page = stand("failed", checkpoint=True, failure_kind=kind, failure_reason="It was too much.")
        alert = page[page.index('class="alert alert-bad"') : page.index('<dl class="tiles">')]

        assert sentence in alert and "It was too much." in alert
        assert '<a class="button" href="#log">Read the log</a>' in alert
        assert [step for step in next_steps if step not in alert] == [], kind
        assert alert.count("button primary") == 1, kind


def test_without_a_checkpoint_an_accident_is_run_again(stand: Callable[..., tuple[Run, str]]) -> None:
    _, page = stand("failed", failure_kind="internal")

    assert re.search(r'<button class="button primary" id="run-once-more">.*Run again', page)


def test_a_loss_that_is_not_a_number_is_not_continued(stand: Callable[..., tuple[Run, str]]) -> None:
    _, page = stand("failed", checkpoint=True, failure_kind="non_finite")

    assert "Continue from step" not in page


def test_a_run_waits_in_vain_without_a_worker_and_says_so(
    client: TestClient, stand: Callable[..., tuple[Run, str]], session_factory: SessionFactory
) -> None:
    run, page = stand("queued")
    assert "No worker is running" in page and "tunewright worker" in page
    with transaction(session_factory) as session:
        session.add(Worker(owner="w1", host="h", version="0", last_seen=_now(session) - 59))
        session.add(Worker(owner="w2", host="h", version="0", last_seen=_now(session) - 61))

    assert "No worker is running" not in client.get(f"/runs/{run.id}").text
    set_run(session_factory, run, desired="pause")
    with transaction(session_factory) as session:
        session.get_one(Worker, "w1").last_seen -= 60
    assert "No worker is running" not in client.get(f"/runs/{run.id}").text


@pytest.mark.parametrize("note", ["", "Resumed with another device; not bit-exact."])
def test_a_resumed_run_says_whether_to_the_same_bits(
    client: TestClient,
    make_run: MakeRun,
    session_factory: SessionFactory,
    web_settings: Settings,
    note: str,
) -> None:
    run = make_run()
    in_state(session_factory, run, "queued", web_settings.runs_dir)
    set_run(session_factory, run, resume_note=note)
    assert "Resumed" not in client.get(f"/runs/{run.id}").text

    in_state(session_factory, run, "running")

    page = client.get(f"/runs/{run.id}").text
    assert f"</svg>{note or 'Resumed to the same bits.'}</span>" in page
    assert "Attempt 2: The studio was stopped." in page


def _now(session: Session) -> float:
    return session.scalar(select(database_seconds())) or 0.0
