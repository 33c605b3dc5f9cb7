"""Fixes on the page of checks: a checklist, a preview of what would change, and the version that it makes."""

import json
import shutil

import pytest
from fastapi.testclient import TestClient

from studio.settings import Settings
from tests.app.mending import HOSTILE, PAIRS, post, upload, words
from tests.app.rows import HTMX
from worker.chores import ChoreSlot

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
DUPLICATES = {"mend.exact_duplicates": "on", "fix.exact_duplicates": "keep_first"}
MAJORITY = {"mend.contradictions": "on", "fix.contradictions": "keep_majority"}


def test_each_finding_offers_its_fixes_and_a_checklist_offers_all(client: TestClient, cpu_worker: ChoreSlot) -> None:
    page = upload(client, cpu_worker)

    checks = client.get(f"{page}/checks").text

    assert f'action="{page}/mendings"' in checks
    assert 'name="mend.exact_duplicates" value="on" checked' in checks
    assert '<button class="button small" name="fix.exact_duplicates" value="keep_first">' in checks
    assert "Mend all that can be mended" in checks


def test_a_checklist_is_tried_shown_and_made_a_version(client: TestClient, cpu_worker: ChoreSlot) -> None:
    page = upload(client, cpu_worker)
    preview = post(client, f"{page}/mendings", DUPLICATES | MAJORITY | {"fix.not_ticked": "drop"})
    waiting = client.get(preview).text

    cpu_worker.drain()

    tried = client.get(preview).text
    assert f'hx-get="{preview}/progress"' in waiting
    assert "Waiting for a worker" in waiting
    # Six copies and the one answer in the minority go.
    assert "7 of 48 rows would be dropped and 0 changed. 41 are left" in words(tried)
    assert "Exact duplicates: keep the first row of each group" in tried
    assert "Make version 2" in tried

    making = post(client, f"{preview}/version")
    cpu_worker.drain()
    made = client.get(making, follow_redirects=False)
    assert made.status_code == 303
    assert made.headers["location"] == f"{page}/versions?made=2"
    assert "41 rows" in words(client.get(page).text)
    assert "48 rows" in words(client.get(f"{page}?version=1").text)


def test_a_click_too_many_makes_no_second_version(client: TestClient, cpu_worker: ChoreSlot) -> None:
    page = upload(client, cpu_worker)
    previews = {post(client, f"{page}/mendings", DUPLICATES) for _ in range(2)}
    cpu_worker.drain()

    makings = {post(client, f"{previews.copy().pop()}/version") for _ in range(2)}
    cpu_worker.drain()
    again = post(client, f"{page}/mendings?version=1", DUPLICATES)

    assert (len(previews), len(makings)) == (1, 1)
    assert again in previews
    assert client.get(f"{page}?version=3").status_code == 404


def test_htmx_is_led_on_when_the_version_is_there(client: TestClient, cpu_worker: ChoreSlot) -> None:
    page = upload(client, cpu_worker)
    preview = post(client, f"{page}/mendings", DUPLICATES)
    cpu_worker.drain()
    making = post(client, f"{preview}/version")

    during = client.get(f"{making}/progress", headers=HTMX)
    cpu_worker.drain()
    after = client.get(f"{making}/progress", headers=HTMX)

    assert during.text.lstrip().startswith('<section id="mending"')
    assert after.headers["HX-Redirect"] == f"{page}/versions?made=2"


def test_text_of_rows_is_shown_as_text(client: TestClient, cpu_worker: ChoreSlot) -> None:
    page = upload(client, cpu_worker)
    preview = post(client, f"{page}/rows/48/edit", {"act": "drop"})
    cpu_worker.drain()

    shown = client.get(preview).text

    assert "&lt;script&gt;" in shown
    assert HOSTILE not in shown


def test_long_lists_of_changes_are_paged(client: TestClient, cpu_worker: ChoreSlot) -> None:
    page = upload(client, cpu_worker, [*PAIRS, *PAIRS])
    preview = post(client, f"{page}/mendings", DUPLICATES)
    cpu_worker.drain()

    second = words(client.get(f"{preview}?page=2").text)

    assert "Page 2 of 2" in second
    assert "Row 61" in second
    assert "Row 60 " not in second


def test_what_cannot_be_done_is_told_in_a_sentence(client: TestClient, cpu_worker: ChoreSlot) -> None:
    page = upload(client, cpu_worker)
    nothing = client.post(f"{page}/mendings", data={"fix.contradictions": "drop"})
    no_number = {"mend.x": "on", "fix.x": "cap_length", "amount.x": "many"}
    preview = post(client, f"{page}/mendings", {"mend.role_order": "on", "fix.role_order": "drop"})
    cpu_worker.drain()

    assert (nothing.status_code, "Tick at least one fix." in nothing.text) == (422, True)
    assert "give a whole number" in client.post(f"{page}/mendings", data=no_number).text
    assert "Nothing would change" in client.get(preview).text
    assert client.get(f"{page}/mendings/chr_01k0000000000000000000000a").status_code == 404


def test_a_try_can_be_stopped_and_its_cleared_list_is_made_again(
    client: TestClient, cpu_worker: ChoreSlot, web_settings: Settings
) -> None:
    page = upload(client, cpu_worker)
    preview = post(client, f"{page}/mendings", DUPLICATES)
    post(client, f"{preview}/cancel")
    assert "This was stopped." in client.get(preview).text

    again = post(client, f"{page}/mendings", DUPLICATES)
    cpu_worker.drain()
    shutil.rmtree(web_settings.cache_dir / "mendings")
    assert "not kept any more" in client.get(again).text
    third = post(client, f"{page}/mendings", DUPLICATES)
    cpu_worker.drain()

    assert len({preview, again, third}) == 3
    assert "Row 41" in words(client.get(third).text)


def test_preference_rows_become_rows_that_can_be_trained_on(client: TestClient, cpu_worker: ChoreSlot) -> None:
    lines = [{"prompt": f"Say {n}", "chosen": f"It is {n}", "rejected": "No"} for n in range(20)]
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    page = client.post("/datasets", files={"file": ("p.jsonl", content)}, follow_redirects=False).headers["location"]
    cpu_worker.drain()
    assert "Keep the chosen answers" in client.get(page).text

    preview = post(client, f"{page}/mendings", {"use_chosen": "on"})
    cpu_worker.drain()
    post(client, f"{preview}/version")
    cpu_worker.drain()

    made = client.get(f"/api{page}/rows?limit=1").json()["rows"][0]
    assert made["row"] == {"prompt": "Say 0", "completion": "It is 0"}
    assert "Keep the chosen answers" not in client.get(page).text


def test_a_number_is_proposed_and_can_be_another_one(client: TestClient, cpu_worker: ChoreSlot) -> None:
    labels = [(f"Ticket {n}, please sort it in", "rare" if n % 60 == 0 else "usual") for n in range(180)]
    page = upload(client, cpu_worker, labels)

    checks = client.get(f"{page}/checks").text
    form = {"mend.label_imbalance": "on", "fix.label_imbalance": "rebalance", "amount.label_imbalance": "30"}
    preview = post(client, f"{page}/mendings", form)
    cpu_worker.drain()

    # Twenty rows of the usual label for each of the three rare ones.
    assert 'name="amount.label_imbalance" value="60"' in checks
    assert 'name="mend.label_imbalance" value="on" >' in checks
    shown = words(client.get(preview).text)
    assert "Keep at most 30 rows of each answer to train on (seed 17)" in shown
    train = int(shown.split(" are left: ")[1].split(" train")[0])
    assert 30 <= train <= 33
