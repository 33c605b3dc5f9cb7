"""A file that nobody made for this, from the upload to an adapter: places of the world and their ISO 3166-2 codes.

Places of one name lie in many countries ("Central", "Western", "Punjab"), so the file contradicts itself by nature.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pycountry
import pytest

from studio.checks.seen import normalised
from tests.browser.live import LiveStudio, running_process, running_studio

pytestmark = [pytest.mark.training]

PLACES = [(place.name, place.code) for place in pycountry.subdivisions]
SPEC = {
    "method": {"kind": "lora", "rank": 4},
    "hyperparameters": {"max_steps": 4, "batch_size": 2, "gradient_accumulation_steps": 1},
    "evaluation": {"sample_prompts": 1, "sample_tokens": 4, "max_rows": 8},
}


@pytest.fixture(scope="module")
def live(redis_url: str) -> Iterator[LiveStudio]:
    """A website, a worker, and a worker of the CPU queue."""
    with ExitStack() as stack:
        studio = stack.enter_context(running_studio(redis_url, with_worker=True))
        stack.enter_context(running_process(studio.settings, "worker.cpu"))
        yield studio


@pytest.fixture
def api(live: LiveStudio) -> Iterator[httpx2.Client]:
    """A client of its JSON API."""
    with httpx2.Client(base_url=f"{live.url}/api", timeout=60, headers={"Origin": live.url}) as client:
        yield client


def wait_for(ask: Callable[[], dict[str, Any]], *statuses: str) -> dict[str, Any]:
    """Ask until it is over."""
    deadline = time.monotonic() + 180
    while (found := ask())["status"] not in statuses:
        assert time.monotonic() < deadline, found
        assert found["status"] not in {"failed", "cancelled"}, found
        time.sleep(0.2)
    return found


def contradicting_rows() -> int:
    """How many places share their name with one of another code, counted here by other means."""
    codes: dict[str, list[str]] = defaultdict(list)
    for name, code in PLACES:
        codes[normalised(name)].append(code)
    return sum(len(found) for found in codes.values() if len(set(found)) > 1)


def test_a_real_file_goes_through_checks_fixes_and_a_run(api: httpx2.Client) -> None:
    lines = "".join(json.dumps({"prompt": name, "completion": code}) + "\n" for name, code in PLACES)

    made = api.post("/datasets", files={"file": ("places.jsonl", lines.encode())}).json()
    dataset = f"/datasets/{made['id']}"
    checkup = wait_for(lambda: api.get(f"{dataset}/checks").json(), "done")
    found = {check["name"]: check["count"] for check in checkup["checks"]}
    recipe = [{"do": "drop", "check": "contradictions"}]
    asked = api.post(f"{dataset}/mendings", json={"recipe": recipe, "publish": True}).json()
    mended = wait_for(lambda: api.get(f"{dataset}/mendings/{asked['id']}").json(), "done")
    version = api.get(dataset).json()["latest"]
    again = wait_for(lambda: api.get(f"{dataset}/checks").json(), "done")
    data = {"dataset_version_id": version["id"], "sha256": version["sha256"], "split": version["split"]}
    run = api.post("/runs", json={"spec": SPEC | {"data": data}}).json()
    ended = wait_for(lambda: api.get(f"/runs/{run['id']}").json(), "succeeded")

    print("found in", len(PLACES), "places:", {name: count for name, count in found.items() if count})
    assert found["contradictions"] == contradicting_rows() > 0
    assert {name for name in ("secrets", "empty_turns", "refusals", "role_order") if found[name]} == set()
    assert (mended["dropped"], version["number"]) == (contradicting_rows(), 2)
    assert version["row_count"] == len(PLACES) - contradicting_rows()
    assert {check["name"]: check["count"] for check in again["checks"]}["contradictions"] == 0
    assert ended["spec"]["data"]["sha256"] == version["sha256"]
