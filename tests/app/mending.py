"""A dataset with planted faults behind the pages, checked and mended by a worker."""

import json
import re

from fastapi.testclient import TestClient

from worker.chores import ChoreSlot

HOSTILE = "<script>alert(1)</script>"
PAIRS = [(f"Say {n}", f"It is {n}") for n in range(40)]
PLANTED = [*PAIRS, *PAIRS[:6], ("Say 7", "It is not"), (HOSTILE, f" {HOSTILE} ")]


def upload(client: TestClient, cpu_worker: ChoreSlot, pairs: list[tuple[str, str]] = PLANTED) -> str:
    """Upload pairs of prompt and completion and check them; returns the dataset's page."""
    content = "".join(json.dumps({"prompt": prompt, "completion": answer}) + "\n" for prompt, answer in pairs)
    answer = client.post("/datasets", files={"file": ("rows.jsonl", content.encode())}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    cpu_worker.drain()
    return answer.headers["location"]


def post(client: TestClient, path: str, form: dict[str, str] | None = None) -> str:
    """Send a form; returns where it leads."""
    answer = client.post(path, data=form or {}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def words(html: str) -> str:
    """A page without its marks and with single spaces."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())
