"""The versions of a dataset on their pages: listed, looked at, compared, used again, and trained on."""

import re

import pytest
from fastapi.testclient import TestClient

from tests.app.mending import post, upload, words
from worker.chores import ChoreSlot

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
DUPLICATES = {"mend.exact_duplicates": "on", "fix.exact_duplicates": "keep_first"}


@pytest.fixture
def address(client: TestClient, cpu_worker: ChoreSlot) -> str:
    """A dataset with two versions: 48 rows, and 42 without copies."""
    address = upload(client, cpu_worker)
    mend(client, cpu_worker, address, f"{address}/mendings", DUPLICATES)
    return address


def mend(client: TestClient, cpu_worker: ChoreSlot, address: str, path: str, form: dict[str, str]) -> None:
    preview = post(client, path, form)
    cpu_worker.drain()
    post(client, f"{preview}/version")
    cpu_worker.drain()


def test_the_list_tells_where_each_version_comes_from(client: TestClient, address: str) -> None:
    listed = client.get(f"{address}/versions?made=2").text

    text = words(listed)
    assert "This is version 2." in text
    assert text.index("Version 2 newest") < text.index("Version 1 ")
    assert "From version 1: Exact duplicates: keep the first row of each group" in text
    assert "Uploaded as rows.jsonl" in text
    assert f'href="{address}/diff?from=1&amp;to=2"' in listed
    assert f'href="/runs/new?dataset={address.rpartition("/")[2]}&amp;version=1"' in listed


def test_every_page_shows_the_version_that_is_asked_for(client: TestClient, address: str) -> None:
    for path, old, new in [
        ("", "48 rows", "42 rows"),
        ("/rows", "page=2&amp;version=1", "page=2#"),
        ("/checks", "Exact duplicates", "2 of 2"),
        ("/checks/contradictions", "You look at version 1 of 2", "version 2 of 2"),
        ("/rows/3/edit", "You look at version 1 of 2", "version 2 of 2"),
        ("/versions", "You look at version 1 of 2", "version 2 of 2"),
        ("/profile", "You look at version 1 of 2", "version 2 of 2"),
        ("/split", "Split of version 1", "Split of version 2"),
        ("/card", "48 rows in the shape", "42 rows in the shape"),
    ]:
        assert old in client.get(f"{address}{path}?version=1").text, path
        assert new in client.get(f"{address}{path}").text, path
        assert client.get(f"{address}{path}?version=3").status_code == 404, path


def test_an_older_version_stays_chosen_from_tab_to_tab_and_leads_to_the_newest(
    client: TestClient, address: str
) -> None:
    for tab in ("", "/profile", "/checks", "/split", "/versions", "/card"):
        shown = client.get(f"{address}{tab}?version=1").text

        for other in ("", "/profile", "/checks", "/split", "/versions", "/card"):
            assert f'href="{address}{other}?version=1"' in shown, (tab, other)
        assert f'<a href="{address}{tab}">See version 2</a>' in shown, tab


def test_an_older_version_leaves_and_is_split_as_it_is(client: TestClient, cpu_worker: ChoreSlot, address: str) -> None:
    rows = client.get(f"/api{address}/rows.jsonl?version=1")
    table = client.get(f"/api{address}/rows.csv?version=1")
    tried = post(client, f"{address}/split?version=1", {"split.way": "random", "split.seed": "4"})
    cpu_worker.drain()

    assert (len(rows.text.splitlines()), len(client.get(f"/api{address}/rows.jsonl").text.splitlines())) == (48, 42)
    assert [found.headers["content-disposition"].rpartition("-")[2] for found in (rows, table)] == [
        'v1.jsonl"',
        'v1.csv"',
    ]
    assert "version 1, prepared" in client.get(f"/api{address}/README.md?version=1").text
    assert client.get(f"/api{address}/croissant.json?version=1").json()["version"] == "1.0.0"
    assert f'href="/api{address}/rows.csv?version=1"' in client.get(f"{address}/card?version=1").text
    assert "against version 1." in client.get(tried).text
    assert f'href="{address}/split?version=1"' in client.get(tried).text


def test_an_old_version_is_used_again_by_one_click(client: TestClient, address: str) -> None:
    led = [post(client, f"{address}/versions/1/newest") for _ in range(2)]

    assert led == [f"{address}/versions?made=3"] * 2
    assert "Use version 1 again" in client.get(led[0]).text
    assert "48 rows" in words(client.get(address).text)
    assert client.post(f"{address}/versions/9/newest").status_code == 404


def test_the_rows_that_differ_are_shown_by_kind_and_paged(
    client: TestClient, cpu_worker: ChoreSlot, address: str
) -> None:
    mend(client, cpu_worker, address, f"{address}/rows/2/edit", {"prompt.0.text": "Say 1", "completion.0.text": "One"})

    dropped = words(client.get(f"{address}/diff?from=1&to=3").text)
    changed = words(client.get(f"{address}/diff?from=1&to=3&kind=changed").text)
    added = words(client.get(f"{address}/diff?from=3&to=1&kind=added").text)

    assert "Dropped 6 Added 0 Changed 1" in dropped
    assert "Version 1, row 41" in dropped
    assert "It is 1" in changed and "Version 3, row 2 " in changed and "One" in changed
    assert "Added 6" in added
    assert "No row was changed" in client.get(f"{address}/diff?from=2&to=2").text
    assert client.get(f"{address}/diff?from=1&to=7").status_code == 404


def test_large_versions_are_compared_by_a_worker(
    client: TestClient, cpu_worker: ChoreSlot, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.datasets.diff.ROWS_AT_ONCE", 45)
    diff = f"{address}/diff?from=1&to=2"
    before, refused = client.get(diff).text, client.get(f"/api{diff}")

    led = post(client, diff)
    waiting, asked = client.get(led).text, client.post(f"/api{diff}")
    post(client, f"{address}/diff/cancel?from=1&to=2")
    stopped = client.get(diff).text
    post(client, diff)
    cpu_worker.drain()

    assert "Not compared yet" in before and refused.status_code == 409
    assert "Waiting for a worker" in waiting and "hx-trigger" in waiting
    assert (asked.status_code, asked.json()["status"]) == (202, "queued")
    assert "Comparing was stopped." in stopped
    assert client.get(f"{address}/diff/progress?from=1&to=2", follow_redirects=False).headers["location"] == diff
    assert "Dropped 6 Added 0 Changed 0" in words(client.get(diff).text)
    assert client.get(f"/api{diff}").json()["counts"] == {"dropped": 6, "added": 0, "changed": 0}


def test_the_launch_form_takes_the_version_with_its_frozen_split(client: TestClient, address: str) -> None:
    dataset_id = address.rpartition("/")[2]

    newest = client.get(f"/runs/new?dataset={dataset_id}").text
    oldest = client.get(f"/runs/new?dataset={dataset_id}&version=1").text
    # Of 48 rows 5 validate and 5 test; which of the 6 copies were held out the seed decides.
    sizes = re.search(r"(\d+) train, (\d+) validate, (\d+) test", newest)

    assert sizes is not None
    assert sum(map(int, sizes.groups())) == 42
    assert 'name="data.split.seed"' not in newest
    assert 'name="data.split.seed" value="17"' in oldest
    assert re.search(rf"<dt>Train rows</dt><dd>{sizes[1]}</dd>", newest)


def test_a_run_on_a_mended_version_holds_its_split(client: TestClient, address: str) -> None:
    dataset_id = address.rpartition("/")[2]
    form = client.get(f"/runs/new?dataset={dataset_id}").text
    chosen = re.search(r'<option value="(dsv_\w+)" selected', form)
    assert chosen is not None

    run = post(client, "/runs", {"data.dataset_version_id": chosen[1], "method.kind": "lora"})

    spec = client.get(f"/api/runs/{run.rpartition('/')[2]}").json()["spec"]
    assert sum(spec["data"]["split"]["sizes"]) == 42
