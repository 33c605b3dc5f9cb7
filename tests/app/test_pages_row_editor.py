"""The row editor: turns are written, moved, added and removed without JavaScript, and saved as a version."""

import json
import re
from html import unescape

import pytest
from fastapi.testclient import TestClient

from tests.app.mending import post, words
from worker.chores import ChoreSlot

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
CALL = [{"type": "function", "function": {"name": "look", "arguments": "{}"}}]


def row(number: int) -> dict[str, object]:
    return {
        "messages": [
            {"role": "user", "content": f"Line {number}\r\nand <b>more</b>"},
            {"role": "assistant", "content": None, "tool_calls": CALL},
            {"role": "tool", "content": "found", "name": "look"},
            {"role": "assistant", "content": "\nDone"},
        ],
    }


@pytest.fixture
def editor(client: TestClient) -> str:
    """The editor of row 3 of twelve conversations."""
    content = "".join(json.dumps(row(number)) + "\n" for number in range(12)).encode()
    page = client.post("/datasets", files={"file": ("rows.jsonl", content)}, follow_redirects=False).headers["location"]
    return f"{page}/rows/3/edit"


def fields(html: str) -> dict[str, str]:
    """What a browser would send of the form, which reads texts without their first line feed and ends lines anew."""
    found = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', html))
    for name, text in re.findall(r'<textarea name="([^"]+)"[^>]*>\n?(.*?)</textarea>', html, re.DOTALL):
        found[name] = unescape(text).replace("\r\n", "\n").replace("\n", "\r\n")
    for name, options in re.findall(r'<select name="([^"]+\.role)"[^>]*>(.*?)</select>', html, re.DOTALL):
        chosen = re.search(r"<option selected>(\w+)", options)
        assert chosen is not None
        found[name] = chosen[1]
    return found


def test_a_row_that_is_sent_back_as_it_was_is_not_changed(client: TestClient, editor: str) -> None:
    answer = client.post(editor, data=fields(client.get(editor).text) | {"act": "save"})

    assert answer.status_code == 422
    assert "Nothing was changed in this row." in answer.text


def test_an_edit_changes_one_text_and_keeps_all_else(client: TestClient, cpu_worker: ChoreSlot, editor: str) -> None:
    form = fields(client.get(editor).text) | {"messages.3.text": "All done.\r\nReally.", "act": "save"}

    preview = post(client, editor, form)
    cpu_worker.drain()
    assert "Edit row 3" in client.get(preview).text
    post(client, f"{preview}/version")
    cpu_worker.drain()

    dataset_id = editor.split("/")[2]
    rows = client.get(f"/api/datasets/{dataset_id}/rows?limit=12").json()["rows"]
    expected = row(2)
    expected["messages"][3]["content"] = "All done.\nReally."  # type: ignore[index]
    assert rows[2]["row"] == expected
    assert [kept["row"] for kept in rows if kept["number"] != 3] == [row(n) for n in range(12) if n != 2]


def test_turns_are_moved_added_and_removed_before_anything_is_saved(client: TestClient, editor: str) -> None:
    form = fields(client.get(editor).text)

    added = client.post(editor, data=form | {"messages.0.text": "Typed", "act": "add.messages"}).text
    moved = client.post(editor, data=fields(added) | {"act": "up.messages.4"}).text
    removed = client.post(editor, data=fields(moved) | {"act": "remove.messages.4"}).text

    assert fields(added)["messages.4.role"] == "user"
    assert fields(added)["messages.0.text"] == "Typed"
    assert (fields(moved)["messages.3.text"], fields(moved)["messages.3.was"]) == ("", "")
    assert "messages.4.text" not in fields(removed)
    assert client.post(editor, data=form | {"act": "remove.messages.99"}).status_code == 200
    assert client.post(editor, data=form | {"act": "explode"}).status_code == 200


def test_a_row_that_could_not_be_imported_is_refused_with_the_form(client: TestClient, editor: str) -> None:
    form = fields(client.get(editor).text)
    for number in (1, 3):
        form[f"messages.{number}.role"] = "user"
        form[f"messages.{number}.text"] = "Typed"

    answer = client.post(editor, data=form | {"act": "save"})

    assert answer.status_code == 422
    assert "nothing to learn from" in words(answer.text)
    assert fields(answer.text)["messages.3.text"] == "Typed"


def test_text_of_rows_is_shown_as_text_and_rows_that_are_not_there_are_not_found(
    client: TestClient, editor: str
) -> None:
    assert "&lt;b&gt;more&lt;/b&gt;" in client.get(editor).text
    assert client.get(editor.replace("/3/", "/13/")).status_code == 404
    assert client.get(editor.replace("/3/", "/0/")).status_code == 422
