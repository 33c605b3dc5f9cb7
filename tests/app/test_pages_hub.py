"""The form for a dataset of the Hub, and the same over JSON."""

import pytest
from fastapi.testclient import TestClient

from .rows import HOSTILE

# What is shown is the same on both databases; the import itself is tested elsewhere.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_the_form_leads_to_the_import(client: TestClient) -> None:
    page = client.get("/datasets/new/hub").text
    filled = {
        "hub.repository": " https://huggingface.co/datasets/acme/tickets ",
        "hub.subset": "",
        "hub.held_out": "true",
    }

    shown = client.post("/datasets/hub", data=filled | {"name": "Ours", "split.seed": "3"})
    arrival = client.get(f"/api{shown.url.path}").json()
    again = client.get(f"/datasets/new/hub?arrival={arrival['id']}").text

    assert 'name="hub.repository" value="acme/tickets"' in again and 'name="split.seed" value="3"' in again
    assert 'href="/datasets/new/hub"' in client.get("/datasets/new").text
    assert "Also take its validation and test rows" in page
    assert shown.url.path.startswith("/datasets/arrivals/arr_")
    assert (arrival["name"], arrival["file_name"], arrival["status"]) == ("Ours", "acme/tickets", "queued")


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({}, "Give the id of a dataset, owner and name"),
        ({"hub.repository": HOSTILE}, "Give the id of a dataset, owner and name"),
        ({"hub.repository": "acme/x", "hub.revision": "../v"}, "Give a branch, a tag or a commit"),
        ({"hub.repository": "acme/x", "hub.subset": "a\x07"}, "A name has up to 100 characters"),
        ({"hub.repository": "acme/x", "split.seed": "x"}, "This must be a valid integer"),
        ({"hub.repository": "acme/x", "name": "n" * 201}, "200"),
    ],
)
def test_what_needs_another_look_is_told_with_the_form(client: TestClient, form: dict[str, str], sentence: str) -> None:
    answer = client.post("/datasets/hub", data=form)

    assert answer.status_code == 422
    assert sentence in answer.text
    assert HOSTILE not in answer.text


def test_the_api_takes_the_same_and_refuses_more(client: TestClient) -> None:
    asked = client.post("/api/datasets/hub", json={"repository": "acme/tickets", "subset": "en", "leave_out": True})
    wrong = client.post("/api/datasets/hub", json={"repository": "tickets"})
    more = client.post("/api/datasets/hub", json={"repository": "acme/tickets", "token": "hf_x"})

    assert asked.status_code == 202
    assert client.get(asked.json()["url"]).json()["file_name"] == "acme/tickets"
    assert (wrong.status_code, more.status_code) == (422, 422)
