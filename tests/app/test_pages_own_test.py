"""Test rows from another dataset: chosen on the tab Split, looked at, and kept as a version."""

import pytest
from fastapi.testclient import TestClient

from tests.app.mending import post, upload, words
from worker.chores import ChoreSlot

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
PAIRS = [(f"Say the number {n}", f"It is {n}") for n in range(40)]
EXAM = [("say  the number 3", "Three"), ("Please, say the number 5!", "Five"), ("Say <b>something</b>", "New")]


def test_rows_that_leave_training_are_shown_before_the_version_is_made(
    client: TestClient, cpu_worker: ChoreSlot
) -> None:
    dataset = upload(client, cpu_worker, PAIRS)
    alone = client.get(f"{dataset}/split").text
    exam = upload(client, cpu_worker, EXAM)
    offered = client.get(f"{dataset}/split").text
    source = exam.rpartition("/")[2]

    tried = post(client, f"{dataset}/own-test", {"dataset": source, "present_test": "drop"})
    cpu_worker.drain()
    shown = client.get(tried).text
    page = post(client, f"{tried}/version")
    cpu_worker.drain()

    assert "Upload the file as a dataset of its own first" in words(alone)
    assert f'<option value="{source}">' in offered
    assert "3 test rows are added; 2 of your rows ask the same as one of them" in words(shown)
    assert f'<p class="crumb"><a href="{dataset}/split">Split</a></p>' in shown
    assert "Row 4 dropped Test with the rows of rows, in place of the present test rows" in words(shown)
    assert client.get(page).url.path == f"{dataset}/versions"
    tested = client.get(f"/api{dataset}/rows?split=test").json()["rows"]
    assert [row["row"]["prompt"] for row in tested] == [prompt for prompt, _ in EXAM]


def test_what_is_no_dataset_is_refused(client: TestClient, cpu_worker: ChoreSlot) -> None:
    dataset = upload(client, cpu_worker, PAIRS[:4])

    for source, status in (("ds_" + "0" * 26, 404), ("'; --", 422), (dataset.rpartition("/")[2], 422)):
        assert client.post(f"{dataset}/own-test", data={"dataset": source}).status_code == status
