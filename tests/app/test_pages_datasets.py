"""Pages of datasets, without JavaScript unless a test says so."""

import json
import re
from collections.abc import Callable
from html import escape

import pytest
from fastapi.testclient import TestClient

from studio.datasets import DatasetVersion
from studio.runs import Run

ROWS = "".join(json.dumps({"prompt": f"Say {n}", "completion": f"It is {n}"}) + "\n" for n in range(25)).encode()
HOSTILE = "<script>alert(1)</script>"
HTMX = {"HX-Request": "true"}


def upload(client: TestClient, content: bytes = ROWS, file_name: str = "rows.jsonl", **fields: str) -> str:
    """Upload and return the page that it leads to."""
    answer = client.post("/datasets", files={"file": (file_name, content)}, data=fields, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_an_empty_list_offers_the_next_step(client: TestClient) -> None:
    page = client.get("/datasets")

    assert page.status_code == 200
    assert 'href="/datasets/new"' in page.text
    assert 'action="/demo"' in page.text


def test_an_upload_leads_to_its_page(client: TestClient) -> None:
    page = client.get(upload(client, name="My questions"))

    assert page.status_code == 200
    assert "<h1 hx-ignore>My questions</h1>" in page.text
    assert "25 rows" in page.text
    assert "Say 0" in page.text
    assert "My questions" in client.get("/datasets").text


def test_the_split_of_the_form_is_kept(client: TestClient) -> None:
    fields = {"split.validation_fraction": "0.2", "split.test_fraction": "0", "split.seed": "3"}

    page = client.get(upload(client, **fields))

    assert 'aria-label="20 rows train, 5 validate, 0 test"' in page.text


def test_a_wrong_split_is_named_and_nothing_is_stored(client: TestClient) -> None:
    answer = client.post("/datasets", files={"file": ("rows.jsonl", ROWS)}, data={"split.validation_fraction": "2"})

    assert answer.status_code == 422
    assert "less than 1" in answer.text
    assert "No dataset yet" in client.get("/datasets").text


def test_problems_are_listed_with_their_rows(client: TestClient) -> None:
    content = b'{"prompt": "a", "completion": "b"}\n' + b'{"prompt": 1, "completion": "b"}\n' * 3

    answer = client.post("/datasets", files={"file": ("rows.jsonl", content)})

    assert answer.status_code == 422
    assert answer.text.count("<li>") == 3
    assert "row 2" in answer.text
    assert 'id="dataset-form"' in answer.text


def test_htmx_gets_the_problems_alone_so_that_the_file_stays_chosen(client: TestClient) -> None:
    answer = client.post("/datasets", files={"file": ("rows.jsonl", b"{}\n")}, headers=HTMX)

    assert answer.status_code == 422
    assert answer.text.lstrip().startswith('<div id="dataset-refusal"')


def test_htmx_is_sent_on_by_a_header(client: TestClient) -> None:
    answer = client.post("/datasets", files={"file": ("rows.jsonl", ROWS)}, headers=HTMX)

    assert answer.headers["hx-redirect"].startswith("/datasets/ds_")


def test_unknown_columns_are_asked_for_and_the_mapping_is_used(client: TestClient) -> None:
    content = b"left,right\n" + b"a,b\n" * 5

    asked = client.post("/datasets", files={"file": ("table.csv", content)})
    page = client.get(upload(client, content, "table.csv", **{"mapping.prompt": "left", "mapping.completion": "right"}))

    assert asked.status_code == 422
    assert 'name="mapping.prompt"' in asked.text
    assert '<option value="left"' in asked.text
    assert "5 rows" in page.text


@pytest.mark.parametrize("raw", ["false", "true"])
def test_hostile_rows_and_names_stay_text(client: TestClient, raw: str) -> None:
    row = {"prompt": HOSTILE, "completion": '"><img src=x onerror=alert(1)> {{7*7}}'}
    path = upload(client, (json.dumps(row) + "\n").encode() * 4, "hostile.jsonl", name=f"{HOSTILE} & co")

    page = client.get(f"{path}?raw={raw}").text

    assert HOSTILE not in page
    assert "<img" not in page
    assert page.count(escape(HOSTILE)) >= 5
    assert "{{7*7}}" in page
    assert HOSTILE not in client.get("/datasets").text


def test_rows_are_paged_and_filtered_by_split(client: TestClient) -> None:
    path = upload(client)

    first, last = client.get(f"{path}/rows").text, client.get(f"{path}/rows?page=3").text
    test_rows = client.get(f"{path}/rows?split=test").text

    assert first.count("<article") == 10
    assert last.count("<article") == 5
    # 25 rows x 0.1 rounds to 2.
    assert test_rows.count("<article") == 2
    assert set(re.findall(r'class="chip chip-(\w+)"', test_rows)) == {"test"}
    assert client.get(f"{path}/rows?page=99").text.count("<article") == 5


def test_rename_and_delete(client: TestClient) -> None:
    path = upload(client)

    renamed = client.post(f"{path}/name", data={"name": "Another name"})
    deleted = client.post(f"{path}/deletion")

    assert "Another name" in renamed.text
    assert "No dataset yet" in deleted.text
    assert client.get(path).status_code == 404


def test_a_dataset_that_a_run_names_stays(
    client: TestClient, version: DatasetVersion, make_run: Callable[..., Run]
) -> None:
    make_run("A run")

    answer = client.post(f"/datasets/{version.dataset_id}/deletion")

    assert answer.status_code == 409
    assert "Delete the runs first" in answer.text


@pytest.mark.parametrize(
    ("pasted", "file_name"),
    [
        ('{"prompt": "a", "completion": "b"}\r\n{"prompt": "c", "completion": "d"}\r\n', "pasted.jsonl"),
        ('\n [{"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": "d"}]', "pasted.jsonl"),
        ("question\tanswer\r\na\tb\r\nc\td", "pasted.tsv"),
        ("question,answer\r\na,b\r\nc,d", "pasted.csv"),
    ],
)
def test_rows_can_be_pasted(client: TestClient, pasted: str, file_name: str) -> None:
    answer = client.post("/datasets", files={"file": ("", b""), "pasted": (None, pasted)}, follow_redirects=False)

    page = client.get(answer.headers["location"])
    assert "2 rows" in page.text
    assert file_name in page.text


def test_a_file_and_pasted_rows_at_once_are_refused(client: TestClient) -> None:
    answer = client.post("/datasets", files={"file": ("rows.jsonl", ROWS), "pasted": (None, "question,answer\na,b")})

    assert answer.status_code == 422
    assert "Either upload a file or paste rows, not both." in answer.text


def test_nothing_chosen_and_nothing_pasted_is_told(client: TestClient) -> None:
    answer = client.post("/datasets", files={"file": ("", b""), "pasted": (None, " \n")})

    assert answer.status_code == 422
    assert "Choose a file to upload" in answer.text
