"""The launch form: what it draws, previews, refuses and launches."""

import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from studio import datasets, runs
from studio.actors import LOCAL_ACTOR
from studio.datasets import DatasetVersion
from studio.db import SessionFactory, reading, transaction
from studio.methods import METHODS
from studio.runs import Run
from tests.app.rows import HTMX


@pytest.fixture
def form(version: DatasetVersion) -> dict[str, str]:
    """A form that can be launched."""
    return {"data.dataset_version_id": version.id, "method.kind": "lora", "method.lora.rank": "8"}


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

    card = client.post("/runs/estimate", data=form, headers=HTMX).text

    # 40 rows: 4 validate, 4 test, 32 train; 32 / 16 = 2 steps a pass, 3 passes.
    assert card.lstrip().startswith('<div id="plan"')
    assert "2 x 8 = 16" in card
    assert re.search(r"<dt>Train rows</dt><dd>32</dd>", card)
    assert re.search(r"<dt>Steps</dt><dd>6 ", card)


def test_the_preview_works_without_htmx(client: TestClient, form: dict[str, str]) -> None:
    page = client.post("/runs/estimate", data=form | {"name": "Typed"}).text

    assert 'id="launch-form"' in page
    assert 'value="Typed"' in page
    assert "<dt>Steps</dt>" in page


@pytest.mark.parametrize("recipe", runs.RECIPES, ids=lambda recipe: recipe.id)
def test_recipes_fill_the_form_and_keep_the_dataset(
    client: TestClient, form: dict[str, str], recipe: runs.Recipe
) -> None:
    page = client.post(f"/runs/estimate?recipe={recipe.id}", data=form).text

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


def test_the_split_follows_the_dataset_that_is_chosen(
    client: TestClient, form: dict[str, str], session_factory: SessionFactory
) -> None:
    lines = b"".join(b'{"prompt": "Say %d", "completion": "It is %d"}\n' % (n, n) for n in range(100))
    split = {"split.validation_fraction": "0.2", "split.test_fraction": "0.3", "split.seed": "5"}
    client.post("/datasets", data={"name": "Other"} | split, files={"file": ("other.jsonl", lines)})
    with transaction(session_factory) as session:
        other = next(found for found in datasets.list_datasets(session, LOCAL_ACTOR) if found.name == "Other").latest.id
    shown = form | {"split_of": form["data.dataset_version_id"], "data.split.seed": "17", "name": "Typed"}

    same = client.post("/runs/estimate", data=shown, headers=HTMX).text
    moved = client.post("/runs/estimate", data=shown | {"data.dataset_version_id": other}, headers=HTMX).text
    kept = client.post(
        "/runs/estimate", data=shown | {"data.dataset_version_id": other, "split_of": other}, headers=HTMX
    ).text
    page = client.post("/runs/estimate", data=shown | {"data.dataset_version_id": other}).text

    assert 'hx-target="#split-fields"' not in same + kept + page
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


def test_a_disk_that_is_clearly_too_small_is_told_before_the_launch(
    client: TestClient, form: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    form |= {"base_model.id": "Qwen/Qwen3-0.6B", "method.kind": "full"}
    monkeypatch.setattr("studio.runs.disk.free_bytes", lambda folder: 10**15)
    assert "of disk" not in client.post("/runs/estimate", data=form, headers=HTMX).text
    monkeypatch.setattr("studio.runs.disk.free_bytes", lambda folder: 3_000_000_000)

    card = client.post("/runs/estimate", data=form, headers=HTMX).text

    assert "of disk for checkpoints and its result, and the data folder has 3.0 GB. Free some space first." in card
    assert "of disk" not in client.post("/runs/estimate", data=form | {"method.kind": "lora"}, headers=HTMX).text


def test_another_dataset_is_mixed_in_and_shown_again(
    client: TestClient, form: dict[str, str], version: DatasetVersion, session_factory: SessionFactory
) -> None:
    form |= {"mix.0.version": version.id, "mix.0.weight": "0.5"}

    plan = client.post("/runs/estimate", data=form, headers=HTMX)
    launched = client.post("/runs", data=form, follow_redirects=False)

    run_id = launched.headers["location"].rpartition("/")[2]
    with reading(session_factory) as session:
        data = session.get_one(Run, run_id).spec["data"]
    assert "48" in plan.text
    assert [(part["dataset_version_id"], part["weight"]) for part in data["mix"]] == [(version.id, 0.5)]
    again = client.get(f"/runs/new?from={run_id}").text
    assert re.search(r'name="mix.0.weight"[^>]*value="0.5"', again)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mix.0.version": "dsv_" + "0" * 26}, "Pick a dataset of the list."),
        ({"mix.0.weight": "-1"}, "greater than 0"),
        ({"mix.0.weight": "much"}, "valid number"),
    ],
)
def test_a_mix_that_cannot_be_is_told_at_its_field(
    client: TestClient, form: dict[str, str], version: DatasetVersion, changes: dict[str, str], sentence: str
) -> None:
    refused = client.post("/runs", data=form | {"mix.0.version": version.id} | changes)

    assert refused.status_code == 422
    assert sentence in refused.text.split('id="launch-form"')[1]
