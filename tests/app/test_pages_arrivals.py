"""A large upload on its page and over JSON: it waits, goes on, is stopped, and is read as a person says."""

import pytest
from fastapi.testclient import TestClient

from studio.settings import Settings
from tests.doing import HereSlot
from worker.chores import ChoreSlot
from worker.importing import Import

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
HTMX = {"hx-request": "true"}
TWO_ROWS = '{"text": "a"}\n{"text": "b"}\n'
ONE_BAD = TWO_ROWS + '{"text": ""}\n'
COLUMNS = "Frage,Antwort\nq,<b>a\nr,b\n"


@pytest.fixture
def web_settings(web_settings: Settings) -> Settings:
    """Every file is a large one."""
    return web_settings.model_copy(update={"small_upload_bytes": 0})


@pytest.fixture
def cpu_worker(cpu_worker: ChoreSlot) -> ChoreSlot:
    """A worker that imports, and leaves the checks of what it imported undone: they take longer than the import."""
    return HereSlot(cpu_worker.bench, {"import": Import()})


def send(client: TestClient, text: str, file_name: str = "a.jsonl", **fields: str) -> str:
    """Send the form as htmx does; returns the page of the import."""
    answer = client.post("/datasets", files={"file": (file_name, text)}, data=fields, headers=HTMX)
    return answer.headers["hx-redirect"]


def test_a_large_file_waits_is_imported_and_leads_to_its_dataset(client: TestClient, cpu_worker: ChoreSlot) -> None:
    at = send(client, TWO_ROWS, name="Mine")
    waiting, listed = client.get(at).text, client.get("/datasets").text
    cpu_worker.drain()
    done = client.get(f"{at}/progress", headers=HTMX)

    assert "Waiting for a worker" in waiting
    assert f'hx-get="{at}/progress"' in waiting
    assert f'<a href="{at}" hx-ignore>Mine</a>' in listed
    assert "waits for a worker" in listed
    assert ">Mine<" in client.get(done.headers["hx-redirect"]).text
    assert client.get(at, follow_redirects=False).headers["location"] == done.headers["hx-redirect"]
    assert "On their way" not in client.get("/datasets").text


def test_problems_are_told_and_the_other_rows_are_imported_from_the_kept_file(
    client: TestClient, cpu_worker: ChoreSlot
) -> None:
    at = send(client, ONE_BAD)
    cpu_worker.drain()
    refused, listed = client.get(f"{at}/progress", headers=HTMX).text, client.get("/datasets").text

    again = client.post(at, data={"leave_out": "true"}, headers=HTMX)
    cpu_worker.drain()

    assert "row 3: text is empty" in refused
    assert "the other 2 rows are fine" in refused
    assert "hx-trigger" not in refused
    assert "needs a look" in listed
    assert again.headers["hx-redirect"] == at
    assert "1 row with problems left out" in client.get(at).text


def test_columns_are_chosen_on_the_page(client: TestClient, cpu_worker: ChoreSlot) -> None:
    at = send(client, COLUMNS, "a.csv")
    cpu_worker.drain()
    asked = client.get(at).text
    client.post(at, data={"mapping.prompt": "Frage"})
    cpu_worker.drain()
    asked_again = client.get(at).text

    client.post(at, data={"mapping.prompt": "Frage", "mapping.completion": "Antwort"})
    cpu_worker.drain()

    assert '<option value="Frage"' in asked
    assert "<b>" not in asked.partition("<main")[2]
    assert "Which column holds what?" in asked_again
    assert '<option value="Frage" selected>' in asked_again
    assert client.get(at).url.path.startswith("/datasets/ds_")


def test_other_columns_can_be_chosen_when_rows_of_the_chosen_ones_are_refused(
    client: TestClient, cpu_worker: ChoreSlot
) -> None:
    # Shown rows of 16 KiB, of characters that take two bytes and six when they are escaped.
    text = "ж" * 990
    at = send(client, "Frage,b,c,d,Leer\n" + 2 * f"{text},{text},{text},{text},\n", "a.csv")
    cpu_worker.drain()

    client.post(at, data={"mapping.prompt": "Frage", "mapping.completion": "Leer"})
    cpu_worker.drain()
    refused = client.get(at)
    client.post(at, data={"mapping.prompt": "Frage", "mapping.completion": "b"})
    cpu_worker.drain()

    assert refused.status_code == 200
    assert "Choose other columns" in refused.text
    assert text in refused.text
    assert client.get(at).url.path.startswith("/datasets/ds_")


def test_a_stopped_import_is_tried_again_or_removed(client: TestClient, cpu_worker: ChoreSlot) -> None:
    at = send(client, TWO_ROWS)
    stopped = client.post(f"{at}/cancel").text
    client.post(at)
    waiting = client.post(at).text
    client.post(f"{at}/cancel")
    removed = client.post(f"{at}/deletion")

    assert "This import was stopped." in stopped
    assert "Try again" in stopped
    assert "Waiting for a worker" in waiting
    assert removed.url.path == "/datasets"
    assert client.get(at).status_code == 404
    assert cpu_worker.drain() == 0


def test_a_wrong_kind_of_file_is_refused_before_it_is_kept(client: TestClient, web_settings: Settings) -> None:
    answer = client.post("/datasets", files={"file": ("a.exe", "MZ")}, headers=HTMX)

    assert answer.status_code == 415
    assert not [
        path for path in web_settings.data_dir.rglob("*") if path.is_file() and "MZ" in path.read_text("latin-1")
    ]


def test_programs_follow_and_mend_an_import(client: TestClient, cpu_worker: ChoreSlot) -> None:
    answer = client.put("/api/datasets/upload?filename=a.jsonl", content=ONE_BAD)
    url = answer.json()["url"]
    waiting = client.get(url).json()
    cpu_worker.drain()
    refused = client.get(url).json()
    again = client.post(url, json={"leave_out": True})
    busy = client.post(url, json={})
    cpu_worker.drain()
    done = client.get(url).json()

    assert (answer.status_code, answer.headers["location"], waiting["status"]) == (202, url, "queued")
    assert (refused["status"], refused["refusal"]["good_rows"]) == ("refused", 2)
    assert refused["refusal"]["problems"][0].startswith("row 3:")
    assert (again.status_code, busy.status_code, done["status"]) == (202, 409, "done")
    assert client.get(f"/api/datasets/{done['dataset_id']}").json()["latest"]["row_count"] == 2
    assert client.get("/api/datasets/arrivals").json() == []


def test_programs_stop_and_remove_an_import(client: TestClient) -> None:
    url = client.post("/api/datasets", files={"file": ("a.jsonl", TWO_ROWS)}).json()["url"]
    listed = [one["url"] for one in client.get("/api/datasets/arrivals").json()]

    stopped = client.delete(url).json()["status"]
    client.delete(url)

    assert (listed, stopped, client.get(url).status_code) == ([url], "cancelled", 404)
