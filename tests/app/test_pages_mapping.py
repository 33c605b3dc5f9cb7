"""Columns are chosen with a look at the first rows; what comes back with the form is checked like any other input."""

import json
import re
from html import escape, unescape

import pytest
from fastapi.testclient import TestClient

from tests.app.mending import words

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
HTMX = {"HX-Request": "true"}
HOSTILE = "<script>alert(1)</script>"
TABLE = f"context,question,answer\nLong ago,Who?,{HOSTILE}\nToday,,Nobody\n".encode() * 1


def ask(client: TestClient, **fields: str) -> str:
    """Send the table; the answer is the refusal."""
    answer = client.post("/datasets", files={"file": ("table.csv", TABLE)}, data=fields, headers=HTMX)
    assert answer.status_code == 422
    return answer.text


def samples(html: str) -> str:
    """The rows that the form holds."""
    found = re.search(r'name="samples" value="([^"]*)"', html)
    assert found is not None
    return unescape(found[1])


def test_a_first_guess_is_shown_with_the_rows_that_it_makes(client: TestClient) -> None:
    asked = ask(client)

    assert re.findall(r'<option value="(\w+)" selected>', asked) == ["question", "answer"]
    assert json.loads(samples(asked))[1] == {"context": "Today", "question": "", "answer": "Nobody"}
    assert HOSTILE not in asked
    assert escape(HOSTILE) in asked
    assert "It cannot be read so: prompt is empty." in words(asked)


def test_another_choice_is_shown_at_once(client: TestClient) -> None:
    form = {"samples": samples(ask(client)), "mapping.prompt": "context", "mapping.completion": "answer", "file": ""}

    shown = client.post("/datasets/mapping-preview", data=form, headers=HTMX)
    lacking = client.post("/datasets/mapping-preview", data=form | {"mapping.completion": ""}, headers=HTMX)

    assert shown.status_code == lacking.status_code == 200
    assert shown.text.count("<article") == 2
    assert "Long ago" in shown.text
    assert "cannot be read" not in shown.text
    assert HOSTILE not in shown.text
    assert "Map prompt and completion" in lacking.text


def test_rows_that_no_refusal_holds_are_refused(client: TestClient) -> None:
    for text in ("", "[[1]]", '[{"a": 1e999}]', "[" * 100):
        answer = client.post("/datasets/mapping-preview", data={"samples": text, "mapping.text": "a"}, headers=HTMX)
        assert answer.status_code == 422, text


def test_a_mapping_that_does_not_fit_is_asked_for_again(client: TestClient) -> None:
    again = ask(client, **{"samples": samples(ask(client)), "mapping.prompt": "question"})
    refused = ask(client, **{"samples": samples(again), "mapping.prompt": "question", "mapping.completion": "answer"})

    assert "Map prompt and completion" in again
    assert re.findall(r'<option value="(\w+)" selected>', again) == ["question"]
    assert "row 2 (line 3): prompt is empty" in refused
    assert "Choose other columns" in refused


def test_mapped_rows_are_called_what_they_became(client: TestClient) -> None:
    form = {"mapping.prompt": "context", "mapping.completion": "answer"}

    page = client.post("/datasets", files={"file": ("table.csv", TABLE)}, data=form)

    assert page.status_code == 200
    assert "<span>prompt and completion</span>" in page.text
