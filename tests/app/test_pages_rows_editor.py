"""Several rows are edited on one page, without JavaScript, and one version is made of it."""

import json
import re

import pytest
from fastapi.testclient import TestClient

from tests.app.mending import HOSTILE, PLANTED, post, upload, words
from tests.app.test_pages_row_editor import fields
from worker.chores import ChoreSlot

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def dataset(client: TestClient, cpu_worker: ChoreSlot) -> str:
    """The page of a checked dataset with six copies and a contradiction."""
    return upload(client, cpu_worker)


def test_findings_are_ticked_edited_and_saved_as_one_version(
    client: TestClient, cpu_worker: ChoreSlot, dataset: str
) -> None:
    found = client.get(f"{dataset}/checks/exact_duplicates").text
    ticked = re.findall(r'name="row" value="(\d+)" form="edit-rows"', found)
    all_shown = re.search(r'href="([^"]+/rows/edit[^"]+)"', found)
    assert all_shown is not None
    address = all_shown[1].replace("&amp;", "&")
    form = fields(client.get(address).text)
    form |= {"41.completion.0.text": "Nought", "43.completion.0.text": "Two", "46.leave_out": "true"}

    page = post(client, address, form | {"act": "save"})
    cpu_worker.drain()
    made = client.get(f"/api{dataset}/versions").json()

    assert ticked == ["41", "42", "43", "44", "45", "46"]
    assert [version["number"] for version in made] == [2, 1]
    assert made[0]["sentences"] == ["Edit row 41", "Edit row 43", "Drop row 46"]
    assert made[0]["row_count"] == len(PLANTED) - 1
    rows = client.get(f"/api{dataset}/rows?start=40&limit=4").json()["rows"]
    assert [row["row"]["completion"] for row in rows] == ["Nought", "It is 1", "Two", "It is 3"]
    assert client.get(page).url.query == b"made=2"


def test_the_preview_offers_the_rows_of_a_page(client: TestClient, cpu_worker: ChoreSlot, dataset: str) -> None:
    assert client.get(dataset).text.count('form="edit-rows"') == 10

    tried = post(client, f"{dataset}/rows/edit?row=48", {"48.completion.0.text": "Plain", "act": "try"})
    cpu_worker.drain()

    assert "Edit row 48" in client.get(tried).text
    assert len(client.get(f"/api{dataset}/versions").json()) == 1
    shown = client.get(f"{dataset}/rows/edit?row=48&row=1").text
    assert HOSTILE not in shown
    assert shown.index("Row 1 ") < shown.index("Row 48 ")


@pytest.fixture
def unchecked(client: TestClient) -> str:
    """The page of three conversations that nobody has looked at."""
    row = '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}\n'
    return post_file(client, row * 3)


def post_file(client: TestClient, content: str) -> str:
    """Upload rows; returns their page."""
    answer = client.post("/datasets", files={"file": ("r.jsonl", content.encode())}, follow_redirects=False)
    return answer.headers["location"]


def test_what_cannot_be_kept_is_told_beside_its_row(client: TestClient, unchecked: str) -> None:
    editor = f"{unchecked}/rows/edit?row=1&row=2"
    form = fields(client.get(editor).text) | {"1.messages.1.text": "Fine", "2.messages.1.text": "  ", "act": "save"}

    answer = client.post(editor, data=form)

    assert answer.status_code == 422
    first, second = re.findall(r'<section class="panel stack" id="row-.*?</section>', answer.text, re.DOTALL)
    assert "Fine" in first
    assert "cannot be kept" not in first
    assert "cannot be kept" in second


def test_what_is_no_edit_is_told(client: TestClient, unchecked: str) -> None:
    for query, sentence in {
        "row=1&row=2": "Nothing was changed in these rows.",
        "": "Tick the rows that you want to edit first.",
        "&".join(f"row={n}" for n in range(1, 52)): "At most 50 rows are edited at once.",
    }.items():
        answer = client.post(f"{unchecked}/rows/edit?{query}", data={"act": "save"})
        assert answer.status_code == 422
        assert sentence in words(answer.text)
        assert f'href="{unchecked}">Back to the dataset</a>' in answer.text or "Nothing was changed" in sentence
    assert client.get(f"{unchecked}/rows/edit?row=99").status_code == 404


def test_a_turn_is_added_to_the_row_that_it_belongs_to(client: TestClient, unchecked: str) -> None:
    added = fields(client.post(f"{unchecked}/rows/edit?row=1&row=3", data={"act": "add.3.messages"}).text)

    assert "1.messages.2.role" not in added
    assert added["3.messages.2.role"] == "user"


@pytest.fixture
def long_rows(client: TestClient) -> str:
    """The page of twelve conversations of 180 short turns."""
    turns = [{"role": role, "content": "Hi"} for _ in range(90) for role in ("user", "assistant")]
    return post_file(client, 12 * f"{json.dumps({'messages': turns})}\n")


@pytest.mark.parametrize("editor", ["rows/1/edit", "rows/edit?row=1&row=2"])
def test_no_turn_of_a_long_row_is_lost(client: TestClient, long_rows: str, editor: str) -> None:
    sent = fields(client.get(f"{long_rows}/{editor}").text)

    answer = client.post(f"{long_rows}/{editor}", data=sent | {"act": "save"})

    assert "Nothing was changed" in answer.text


def test_rows_whose_form_could_not_be_sent_back_are_refused_at_once(client: TestClient, long_rows: str) -> None:
    answer = client.get(f"{long_rows}/rows/edit?" + "&".join(f"row={n}" for n in range(1, 13)))

    assert answer.status_code == 422
    assert "These rows are too long to be edited together" in answer.text
