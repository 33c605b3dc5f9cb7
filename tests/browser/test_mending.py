"""The data doctor by hand: upload the demo dataset, see what is planted in it, mend it, train on the new version."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from studio import datasets
from studio.actors import LOCAL_ACTOR
from studio.db import reading
from studio.runs import Run
from tests.browser.live import ROOT, LiveStudio, running_process, running_studio
from tests.browser.test_job import MINUTES

pytestmark = [pytest.mark.browser, pytest.mark.training]

DEMO = ROOT / "examples" / "support-tickets.jsonl"


@pytest.fixture(scope="module")
def live(redis_url: str) -> Iterator[LiveStudio]:
    """A website, a worker, and a worker of the CPU queue."""
    with ExitStack() as stack:
        studio = stack.enter_context(running_studio(redis_url, with_worker=True))
        stack.enter_context(running_process(studio.settings, "worker.cpu"))
        yield studio


def planted() -> tuple[int, int]:
    """How many rows repeat an earlier one word for word, and how many questions have several answers."""
    rows = [json.loads(line)["messages"] for line in DEMO.read_text(encoding="utf-8").splitlines()]
    texts = Counter(json.dumps(row).lower() for row in rows)
    answers: dict[str, set[str]] = {}
    for row in rows:
        answers.setdefault(json.dumps(row[:-1]).lower(), set()).add(row[-1]["content"].lower())
    return len(rows) - len(texts), sum(len(given) > 1 for given in answers.values())


def test_planted_faults_are_seen_mended_and_the_new_version_is_trained_on(
    open_page: Callable[..., Page], complaints: list[str], live: LiveStudio
) -> None:
    page = open_page()
    copies, contradictions = planted()
    assert copies and contradictions

    upload(page, live, DEMO)
    page.get_by_role("link", name="Checks", exact=True).click()
    see(page, copies)
    mend(page)
    train(page)

    watch(page, live)
    assert complaints == []


def upload(page: Page, live: LiveStudio, rows: Path) -> None:
    """From Home to the dataset's page."""
    page.goto(live.url)
    page.get_by_role("link", name="Upload", exact=True).click()
    page.get_by_label("Choose a file").set_input_files(rows)
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("support-tickets")


def see(page: Page, copies: int) -> None:
    """The checks come by themselves and tell of both kinds."""
    duplicates = page.get_by_role("article", name="Exact duplicates")
    expect(duplicates).to_be_visible(timeout=2 * MINUTES)
    expect(duplicates.get_by_role("link")).to_have_text(f"{copies} rows")
    expect(page.get_by_role("article", name="Contradictions", exact=False).first).to_be_visible()


def mend(page: Page) -> None:
    """Tick the two, look at what would change, and make the version."""
    form = page.get_by_role("form", name="Mend all that can be mended")
    for box in form.get_by_role("checkbox").all():
        box.uncheck()
    form.get_by_label("Exact duplicates").first.check()
    form.get_by_label("Contradictions", exact=False).first.check()
    form.get_by_role("button", name="See what would change").click()
    make = page.get_by_role("button", name="Make version 2")
    expect(make).to_be_visible(timeout=MINUTES)
    expect(page.locator("article").first).to_contain_text("dropped")
    make.click()
    expect(page.get_by_text("This is version 2.")).to_be_visible(timeout=MINUTES)


def train(page: Page) -> None:
    """A short run on the newest version."""
    page.locator("#version-2").get_by_role("link", name="Fine-tune on this").click()
    page.locator('[name="method.kind"][value=lora]').check()
    page.get_by_text("Advanced", exact=True).click()
    page.get_by_label("Stop after steps", exact=True).fill("2")
    page.get_by_label("Validation rows", exact=True).fill("2")
    page.get_by_label("Sample answers", exact=True).fill("0")
    page.locator("#plan").get_by_role("button", name="Launch").click()
    expect(page.locator("#run-status")).to_be_visible()


def watch(page: Page, live: LiveStudio) -> None:
    """It ends well, and what it was trained on is version 2 with the split of version 1."""
    expect(page.locator("#run-status")).to_have_attribute("data-status", "succeeded", timeout=5 * MINUTES)
    with reading(live.session_factory) as session:
        run = session.get_one(Run, page.url.rpartition("/")[2])
        first, second = datasets.get_dataset(session, LOCAL_ACTOR, run.dataset_version.dataset_id).versions
    assert run.dataset_version_id == second.id
    assert run.run_spec.data.split == datasets.split_of(second)
    before, after = (
        {json.dumps(row.row): row.split for row in reversed(all_rows(live, version))} for version in (first, second)
    )
    assert after == {text: before[text] for text in after}


def all_rows(live: LiveStudio, version: datasets.DatasetVersion) -> list[datasets.NumberedRow]:
    return datasets.read_rows(version, storage=live.storage, start=0, limit=version.row_count)
