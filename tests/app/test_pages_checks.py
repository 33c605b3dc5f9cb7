"""The page of checks, from the upload to the rows that a check found."""

import json
import re
import shutil

import pytest
from fastapi.testclient import TestClient

from studio.settings import Settings
from worker.chores import ChoreSlot

# What is shown is the same on both databases; what is stored is tested on both elsewhere.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

HOSTILE = "<script>alert(1)</script>"


def upload(client: TestClient, pairs: list[tuple[str, str]]) -> str:
    """Upload pairs of prompt and completion; returns the dataset's page."""
    content = "".join(json.dumps({"prompt": prompt, "completion": answer}) + "\n" for prompt, answer in pairs)
    answer = client.post("/datasets", files={"file": ("rows.jsonl", content.encode())}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


PAIRS = [(f"Say {n}", f"It is {n}") for n in range(600)]
PLANTED = [*PAIRS, ("say  0", "IT IS 0"), ("Say 1", "It is two"), ("Say 2", "It is three")]


def test_an_upload_is_checked_without_being_asked(client: TestClient, cpu_worker: ChoreSlot) -> None:
    page = upload(client, PLANTED)
    waiting = client.get(f"{page}/checks").text

    cpu_worker.drain()

    done = client.get(f"{page}/checks").text
    assert "Waiting for a worker" in waiting
    assert f'hx-get="{page}/checks/progress"' in waiting
    assert "hx-trigger" not in done.split('id="checkup"')[1].split(">")[0]
    assert "Exact duplicates" in done
    assert "Contradictions" in done
    assert f'href="{page}/checks/contradictions">4 rows' in " ".join(done.split())


def test_the_rows_of_a_check_are_shown_as_text(client: TestClient, cpu_worker: ChoreSlot) -> None:
    page = upload(client, [*PAIRS, (HOSTILE, "yes"), (HOSTILE, "no")])
    cpu_worker.drain()

    found = client.get(f"{page}/checks/contradictions")

    assert found.status_code == 200
    assert "row 602 answers the same question otherwise" in found.text
    assert HOSTILE not in found.text
    assert 'name="fix.contradictions" value="keep_first"' in found.text


def test_a_long_list_is_paged(client: TestClient, cpu_worker: ChoreSlot) -> None:
    page = upload(client, PAIRS + PAIRS[:50])
    cpu_worker.drain()

    last = client.get(f"{page}/checks/exact_duplicates?page=999")

    assert "Page 3 of 3" in last.text
    assert "the same as row 50" in last.text


def test_the_preview_shows_the_rows_of_one_check(
    client: TestClient, cpu_worker: ChoreSlot, web_settings: Settings
) -> None:
    page = upload(client, PAIRS + PAIRS[:25])
    unchecked = client.get(f"{page}?check=exact_duplicates").text
    cpu_worker.drain()

    whole = client.get(page).text
    last = client.get(f"{page}?check=exact_duplicates&page=99&raw=true").text
    clean = client.get(f"{page}/rows?check=secrets").text
    shutil.rmtree(web_settings.cache_dir / "checkups")

    assert "Not checked yet" in unchecked and 'name="check"' not in unchecked
    assert '<option value="exact_duplicates" >Exact duplicates (25)</option>' in whole
    assert '<option value="exact_duplicates" selected>' in last
    assert "Page 3 of 3" in last and last.count("<article") == 5
    assert "the same as row 25" in last and '<pre class="raw"' in last
    assert f'href="{page}?page=2&amp;check=exact_duplicates&amp;raw=true#dataset-rows"' in last
    assert "This check found nothing in this version." in clean
    assert "not kept any more" in client.get(f"{page}/rows?check=exact_duplicates").text
    assert client.get(f"{page}/rows?check=..%2f..%2fx").status_code == 200


def test_rows_of_no_check_are_not_found(client: TestClient, cpu_worker: ChoreSlot) -> None:
    page = upload(client, PAIRS)

    before = client.get(f"{page}/checks/exact_duplicates")
    cpu_worker.drain()

    assert before.status_code == 404
    assert client.get(f"{page}/checks/no_such_check").status_code == 404
    assert client.get(f"{page}/checks/..%2f..%2fetc").status_code == 404


def test_checking_can_be_stopped_and_begun_again(client: TestClient, cpu_worker: ChoreSlot) -> None:
    page = upload(client, PAIRS)

    stopped = client.post(f"{page}/checks/cancel")
    cpu_worker.drain()
    begun = client.post(f"{page}/checks")
    cpu_worker.drain()

    assert "The checks were stopped." in stopped.text
    assert "Waiting for a worker" in begun.text
    assert "Nothing was found by" in client.get(f"{page}/checks").text


def test_findings_whose_cache_was_cleared_are_asked_for_again(
    client: TestClient, cpu_worker: ChoreSlot, web_settings: Settings
) -> None:
    page = upload(client, PLANTED)
    cpu_worker.drain()
    for path in web_settings.cache_dir.rglob("exact_duplicates.*"):
        path.unlink()

    found = client.get(f"{page}/checks/exact_duplicates")

    assert "The list of rows is not kept any more." in found.text


def test_the_list_of_datasets_shows_their_health(client: TestClient, cpu_worker: ChoreSlot) -> None:
    upload(client, PAIRS)
    waiting = client.get("/datasets").text
    upload(client, PLANTED)
    cpu_worker.drain()

    done = " ".join(client.get("/datasets").text.split())

    assert "not checked" in waiting
    assert "healthy" in done
    assert re.search(r"</svg>[23] warnings", done)
