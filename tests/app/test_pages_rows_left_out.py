"""The form offers to leave rows with problems out, and does it."""

import pytest
from fastapi.testclient import TestClient

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
ONE_BAD = '{"text": "a"}\n{"text": ""}\n{"text": "<b>"}\n'
OFFER = 'name="leave_out" value="true"'


def send(client: TestClient, text: str, **fields: str) -> str:
    """Send the form as htmx does, and give the page that comes of it."""
    answer = client.post("/datasets", files={"file": ("a.jsonl", text)}, data=fields, headers={"hx-request": "true"})
    return client.get(answer.headers["hx-redirect"]).text if "hx-redirect" in answer.headers else answer.text


def test_the_other_rows_are_offered(client: TestClient) -> None:
    page = send(client, ONE_BAD)

    assert OFFER in page
    assert "the other 2 rows are fine" in page
    assert "Nothing was stored: 1 problem." in page and "(leave_out)" not in page


def test_nothing_is_offered_where_too_few_rows_would_stay(client: TestClient) -> None:
    assert OFFER not in send(client, ONE_BAD + '{"text": ""}\n' * 3)


def test_the_other_rows_are_imported(client: TestClient) -> None:
    page = send(client, ONE_BAD, leave_out="true")

    assert "1 row with problems left out" in page
    assert "row 2: text is empty" in page
