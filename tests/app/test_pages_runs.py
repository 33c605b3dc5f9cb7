"""Pages of runs: the launch form, the list, and a run's page with its parts."""

import re
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

from studio import datasets, runs
from studio.actors import LOCAL_ACTOR
from studio.adapters import Adapter
from studio.datasets import DatasetVersion
from studio.db import SessionFactory, transaction
from studio.methods import METHODS
from studio.runs import Point, Run, RunEvent, SampleAnswer
from studio.settings import Settings

HOSTILE = "<script>alert(1)</script>"
HTMX = {"HX-Request": "true"}
LIST_PAGES = ("/", "/active-runs", "/runs", "/runs?status=active", "/datasets", "/adapters", "/runs/new")


@pytest.fixture
def form(version: DatasetVersion) -> dict[str, str]:
    """A form that can be launched."""
    return {"data.dataset_version_id": version.id, "method.kind": "lora", "method.lora.rank": "8"}


@pytest.fixture
def count_statements(engine: Engine, client: TestClient) -> Callable[[str], int]:
    """Count the SQL statements of a page."""

    def _count(path: str) -> int:
        statements: list[str] = []
        listener = lambda *arguments: statements.append(arguments[2])  # noqa: E731
        event.listen(engine, "before_cursor_execute", listener)
        try:
            assert client.get(path).status_code == 200
        finally:
            event.remove(engine, "before_cursor_execute", listener)
        return len(statements)

    return _count


def set_run(session_factory: SessionFactory, run: Run, **values: object) -> None:
    """Write columns of a run, as a worker would."""
    with transaction(session_factory) as session:
        stored = session.get_one(Run, run.id)
        for name, value in values.items():
            setattr(stored, name, value)


def add_points(session_factory: SessionFactory, run: Run, points: list[tuple[str, int, float | None, str]]) -> None:
    """Write points of the first attempt."""
    with transaction(session_factory) as session:
        for seq, (name, step, value, kind) in enumerate(points):
            session.add(Point(run_id=run.id, name=name, step=step, epoch=1, value=value, kind=kind, seq=seq + 10))


def test_the_form_draws_every_method_and_every_base_model(client: TestClient) -> None:
    page = client.get("/runs/new").text

    for kind, method in METHODS.items():
        assert f'value="{kind}"' in page
        assert method.hint in page.replace("&#39;", "'")
    assert '<option value="demo"' in page
    assert '<optgroup label="Qwen">' in page
    assert "2e-4 is usual for LoRA" in page


def test_every_input_has_a_label(client: TestClient) -> None:
    page = client.get("/runs/new").text

    ids = set(re.findall(r'<(?:input|select)[^>]* id="([^"]+)"', page))
    labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', page))
    wrapped = set(re.findall(r'<label><input type="checkbox" id="([^"]+)"', page))
    assert ids == labelled | wrapped


def test_launching_leads_to_the_run(client: TestClient, form: dict[str, str], session_factory: SessionFactory) -> None:
    answer = client.post("/runs", data=form | {"name": "First"}, follow_redirects=False)

    assert answer.status_code == 303
    page = client.get(answer.headers["location"])
    assert "First" in page.text
    assert "Waiting for its turn" in page.text
    with transaction(session_factory) as session:
        assert runs.list_runs(session, LOCAL_ACTOR)[0].run_spec.method.model_dump()["rank"] == 8


def test_a_double_click_makes_one_run(client: TestClient, form: dict[str, str]) -> None:
    key = re.search(r'name="idempotency_key" value="([^"]+)"', client.get("/runs/new").text)
    assert key is not None

    places = {
        client.post("/runs", data=form | {"idempotency_key": key[1]}, follow_redirects=False).headers["location"]
        for _ in range(2)
    }

    assert len(places) == 1


def test_wrong_settings_come_back_with_their_sentences(client: TestClient, form: dict[str, str]) -> None:
    answer = client.post("/runs", data=form | {"method.lora.rank": "0", "hyperparameters.epochs": "x", "name": "Kept"})

    assert answer.status_code == 422
    assert answer.text.count('aria-invalid="true"') == 2
    assert "greater than or equal to 1" in answer.text
    assert 'value="Kept"' in answer.text


def test_without_a_dataset_the_form_says_so(client: TestClient) -> None:
    answer = client.post("/runs", data={"method.kind": "lora"})

    assert answer.status_code == 422
    assert "Pick a dataset of the list." in answer.text


def test_the_preview_counts_rows_and_steps(client: TestClient, form: dict[str, str]) -> None:
    form |= {"hyperparameters.batch_size": "2", "hyperparameters.gradient_accumulation_steps": "8"}

    card = client.post("/runs/plan", data=form, headers=HTMX).text

    # 40 rows: 4 validate, 4 test, 32 train; 32 / 16 = 2 steps a pass, 3 passes.
    assert card.lstrip().startswith('<aside id="plan"')
    assert "2 x 8 = 16" in card
    assert re.search(r"<dt>Train rows</dt><dd>32</dd>", card)
    assert re.search(r"<dt>Steps</dt><dd>6 ", card)


def test_the_preview_works_without_htmx(client: TestClient, form: dict[str, str]) -> None:
    page = client.post("/runs/plan", data=form | {"name": "Typed"}).text

    assert 'id="launch-form"' in page
    assert 'value="Typed"' in page
    assert "<dt>Steps</dt>" in page


@pytest.mark.parametrize("recipe", runs.RECIPES, ids=lambda recipe: recipe.id)
def test_recipes_fill_the_form_and_keep_the_dataset(
    client: TestClient, form: dict[str, str], recipe: runs.Recipe
) -> None:
    page = client.post(f"/runs/plan?recipe={recipe.id}", data=form).text

    kind = recipe.parts["method"]["kind"]
    assert re.search(rf'name="method.kind" value="{kind}" checked', page)
    assert f'<option value="{form["data.dataset_version_id"]}" selected' in page


def test_the_spec_goes_out_as_yaml_and_comes_back(client: TestClient, form: dict[str, str]) -> None:
    text = client.post("/runs/spec.yaml", data=form).text
    page = client.post("/runs/spec", files={"file": ("spec.yaml", text)})

    assert runs.spec_from_yaml(text).method.model_dump()["rank"] == 8
    assert page.status_code == 200
    assert re.search(r'name="method.lora.rank" value="8"', page.text)
    assert f'<option value="{form["data.dataset_version_id"]}" selected' in page.text


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"a: [", b"- 1", b"method: {kind: lore}", b"!!python/object:os.system {}"]
)
def test_yaml_that_is_no_spec_is_refused_in_words(client: TestClient, text: bytes) -> None:
    answer = client.post("/runs/spec", files={"file": ("spec.yaml", text)})

    assert answer.status_code == 422
    assert 'class="alert alert-bad"' in answer.text


def test_run_again_takes_over_every_setting(client: TestClient, make_run: Callable[..., Run]) -> None:
    run = make_run("Before", method={"kind": "dora", "rank": 4}, hyperparameters={"learning_rate": 1e-5})

    page = client.get(f"/runs/new?from={run.id}").text

    assert 'name="method.dora.rank" value="4"' in page
    assert 'name="hyperparameters.learning_rate" value="1e-05"' in page
    assert f'name="parent_run_id" value="{run.id}"' in page


def test_an_empty_list_offers_the_next_step(client: TestClient) -> None:
    assert "No run yet" in client.get("/runs").text
    assert "Try the demo" in client.get("/").text


def test_the_list_filters_by_status(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    set_run(session_factory, make_run("One that failed"), status="failed", failure_kind="oom_gpu")
    make_run("One that waits")

    failed = client.get("/runs?status=failed").text

    assert "One that failed" in failed
    assert "One that waits" not in failed
    assert "No run of this status." in client.get("/runs?status=cancelled").text


@pytest.mark.parametrize("path", LIST_PAGES)
def test_lists_take_a_constant_number_of_statements(
    client: TestClient, count_statements: Callable[[str], int], make_adapter: Callable[[bytes], Adapter], path: str
) -> None:
    make_adapter(b"one")
    before = count_statements(path)
    for number in range(4):
        make_adapter(f"another {number}".encode())

    assert count_statements(path) == before


def test_a_failed_run_says_what_happened_and_what_to_do(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    run = make_run("Too large")
    set_run(session_factory, run, status="failed", phase="done", failure_kind="oom_gpu", failure_reason=HOSTILE)

    page = client.get(f"/runs/{run.id}").text

    assert "The GPU ran out of memory." in page
    assert "Halve the batch size" in page
    assert 'href="#log"' in page
    assert HOSTILE not in page
    assert "hx-sse:connect" not in page


def test_a_run_in_progress_follows_the_stream_from_where_the_page_was_read(
    client: TestClient, make_run: Callable[..., Run]
) -> None:
    run = make_run("Live")

    page = client.get(f"/runs/{run.id}").text

    assert f'hx-sse:connect="/runs/{run.id}/stream?after=0"' in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert re.search(r'<button[^>]*id="download"[^>]*disabled', page)


def test_the_parts_of_the_page_have_their_own_addresses(client: TestClient, make_run: Callable[..., Run]) -> None:
    run = make_run("Parts")

    for part, element in [
        ("status", "run-status"),
        ("answers", "run-answers"),
        ("losses", "run-losses"),
        ("log", "run-log"),
    ]:
        text = client.get(f"/runs/{run.id}/{part}", headers=HTMX).text
        assert text.lstrip().startswith(f'<div id="{element}"'), part


def test_hostile_text_of_a_run_stays_text(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory, web_settings: Settings
) -> None:
    run = make_run(f"{HOSTILE} name")
    set_run(session_factory, run, epoch=1, resolved={"chat_template": HOSTILE}, phase_note=HOSTILE, status="running")
    with transaction(session_factory) as session:
        session.add(RunEvent(run_id=run.id, seq=1, epoch=1, kind="warning", message=HOSTILE))
        texts = {"prompt": HOSTILE, "expected": HOSTILE, "answer": HOSTILE}
        session.add(SampleAnswer(run_id=run.id, step=0, position=0, epoch=1, row_number=1, **texts))
    folder = runs.attempt_folder(web_settings.runs_dir, run.id, 1)
    folder.mkdir(parents=True)
    (folder / "trainer.log").write_text(HOSTILE)

    for path in (f"/runs/{run.id}", "/runs", "/", f"/runs/{run.id}/log", f"/runs/{run.id}/answers"):
        page = client.get(path).text
        assert HOSTILE not in page, path
        assert "&lt;script&gt;" in page, path


def test_series_keep_what_is_not_finite(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    run = make_run("Unstable")
    add_points(session_factory, run, [("train/loss", 1, 2.5, "num"), ("train/loss", 2, None, "nan")])

    body = client.get(f"/runs/{run.id}/series").json()

    assert body["series"]["train/loss"] == [[1, 2.5, 2.5, 2.5, "num"], [2, None, None, None, "nan"]]
    assert client.get(f"/runs/{run.id}/series.csv").text.splitlines() == [
        "metric,step,value",
        "train/loss,1,2.5",
        "train/loss,2,nan",
    ]


def test_series_give_a_range_and_the_number_up_to_which_they_are_whole(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    run = make_run("Long")
    assert client.get(f"/runs/{run.id}/series").json()["seq"] == 0
    add_points(session_factory, run, [("train/loss", step, 1.0, "num") for step in range(1, 41)])

    def steps(query: str) -> list[int]:
        body = client.get(f"/runs/{run.id}/series?{query}").json()
        return [point[0] for point in body["series"].get("train/loss", [])]

    assert steps("from=38") == [38, 39, 40]
    assert steps("from=2&to=4") == [2, 3, 4]
    assert steps("from=41") == []
    assert steps("points=4") == [10, 20, 30, 40]
    for query in ("from=-1", "from=x", "points=0", "points=100000", f"to={2**40}"):
        assert client.get(f"/runs/{run.id}/series?{query}").status_code == 422


def test_the_table_twin_pairs_the_losses(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    run = make_run("Measured")
    add_points(
        session_factory,
        run,
        [("eval/loss", 0, 3.0, "num"), ("train/loss", 1, 2.5, "num"), ("eval/loss", 2, 2.0, "num")],
    )
    set_run(session_factory, run, best_step=2)

    rows = re.findall(r"<tr>(<td.*?)</tr>", client.get(f"/runs/{run.id}/losses").text)

    assert [re.sub("<[^>]+>", " ", row).split() for row in rows] == [
        ["2", "2.5000", "2.0000", "best", "checkpoint"],
        ["0", "–", "3.0000"],
    ]


def test_cancelling_a_queued_run_ends_it(client: TestClient, make_run: Callable[..., Run]) -> None:
    run = make_run("Unwanted")

    page = client.post(f"/runs/{run.id}/cancel")

    assert page.status_code == 200
    assert 'data-status="cancelled"' in page.text


def test_renaming_a_run(client: TestClient, make_run: Callable[..., Run]) -> None:
    run = make_run("Before")

    assert "After" in client.post(f"/runs/{run.id}/name", data={"name": "After"}).text


def test_the_spec_of_a_run_can_be_downloaded(client: TestClient, make_run: Callable[..., Run]) -> None:
    run = make_run("With a spec")

    text = client.get(f"/runs/{run.id}/spec.yaml").text

    assert runs.spec_from_yaml(text) == run.run_spec


def test_the_demo_imports_its_dataset_once(client: TestClient) -> None:
    first = client.post("/demo", follow_redirects=False)
    second = client.post("/demo", follow_redirects=False)

    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["location"] != second.headers["location"]
    assert client.get("/datasets").text.count("Support tickets (demo)") == 1


def test_no_page_asks_for_what_the_policy_forbids(
    app: FastAPI, client: TestClient, make_run: Callable[..., Run]
) -> None:
    run = make_run("Any")
    forbidden = re.compile(r"<style|style=|<script(?![^>]*src=)|\son\w+=|hx-on|js:|hx-trigger=\"[^\"]*\[")

    for path in ("/", "/datasets", "/datasets/new", "/runs", "/runs/new", "/adapters", f"/runs/{run.id}", "/nowhere"):
        assert not forbidden.search(client.get(path).text), path


def test_the_split_follows_the_dataset_that_is_chosen(
    client: TestClient, form: dict[str, str], session_factory: SessionFactory
) -> None:
    lines = b"".join(b'{"prompt": "Say %d", "completion": "It is %d"}\n' % (n, n) for n in range(100))
    split = {"split.validation_fraction": "0.2", "split.test_fraction": "0.3", "split.seed": "5"}
    client.post("/datasets", data={"name": "Other"} | split, files={"file": ("other.jsonl", lines)})
    with transaction(session_factory) as session:
        other = next(found for found in datasets.list_datasets(session, LOCAL_ACTOR) if found.name == "Other").latest.id
    shown = form | {"split_of": form["data.dataset_version_id"], "data.split.seed": "17", "name": "Typed"}

    same = client.post("/runs/plan", data=shown, headers=HTMX).text
    moved = client.post("/runs/plan", data=shown | {"data.dataset_version_id": other}, headers=HTMX).text
    kept = client.post(
        "/runs/plan", data=shown | {"data.dataset_version_id": other, "split_of": other}, headers=HTMX
    ).text
    page = client.post("/runs/plan", data=shown | {"data.dataset_version_id": other}).text

    assert "hx-partial" not in same + kept + page
    assert '<hx-partial hx-target="#split-fields"' in moved
    assert re.search(r"<dt>Train rows</dt><dd>50</dd>", moved)
    for text in (moved, page):
        assert re.search(r'name="data.split.seed" value="5"', text)
        assert re.search(r'name="data.split.test_fraction" value="0.3"', text)
        assert f'name="split_of" value="{other}"' in text
    assert 'value="Typed"' in page


def test_a_launch_takes_the_split_as_it_was_sent(
    client: TestClient, form: dict[str, str], session_factory: SessionFactory
) -> None:
    sent = form | {"split_of": "dsv_" + "0" * 26, "data.split.seed": "99"}

    assert client.post("/runs", data=sent, follow_redirects=False).status_code == 303

    with transaction(session_factory) as session:
        assert runs.list_runs(session, LOCAL_ACTOR)[0].run_spec.data.split.seed == 99
