"""Pages of checks, fixes, versions and rows: accessible, no wider than the screen, usable without script."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from studio import datasets
from studio.actors import LOCAL_ACTOR
from studio.chores import Chore
from studio.datasets import Receiver
from studio.db import reading, transaction
from studio.queue import SilentQueue
from tests.app.conftest import wait_until
from tests.browser.conftest import LookOver
from tests.browser.live import LiveStudio, running_process, running_studio
from tests.browser.test_job import MINUTES

pytestmark = pytest.mark.browser

LONG = "without_any_space_" * 20
RECIPE = [
    {"do": "keep_first", "check": "exact_duplicates"},
    {"do": "edit", "number": 2, "row": {"prompt": "Say 1", "completion": LONG}},
]
PAGES = (
    "/datasets/arrivals/{arrival}",
    "/datasets/{dataset}/checks?version=1",
    "/datasets/{dataset}/checks/exact_duplicates?version=1",
    "/datasets/{dataset}/mendings/{preview}",
    "/datasets/{dataset}/versions?made=3",
    "/datasets/{dataset}/diff?from=1&to=2",
    "/datasets/{dataset}/diff?from=1&to=2&kind=changed",
    "/datasets/{dataset}/rows/edit?row=1&row=2",
    "/datasets/{dataset}?version=1&check=exact_duplicates",
    "/datasets/{dataset}/profile?version=1",
    "/runs/new?dataset={dataset}&version=2",
)


@pytest.fixture(scope="module")
def live(redis_url: str) -> Iterator[LiveStudio]:
    """A website and a worker of the CPU queue."""
    with ExitStack() as stack:
        studio = stack.enter_context(running_studio(redis_url, with_worker=False))
        stack.enter_context(running_process(studio.settings, "worker.cpu"))
        yield studio


@pytest.fixture(scope="module")
def ids(live: LiveStudio) -> dict[str, str]:
    """A dataset of three versions, a preview of a fix, and a file whose columns are asked for."""
    dataset = _imported(live)
    found = {"dataset": dataset.id, "arrival": _kept(live)}
    for name, publish in (("preview", False), ("made", True)):
        with transaction(live.session_factory) as session:
            found[name] = datasets.ask_mending(
                session,
                LOCAL_ACTOR,
                dataset.latest,
                datasets.read_recipe(RECIPE),
                queue=SilentQueue(),
                publish=publish,
                cache=live.settings.cache_dir,
            ).id
        _await_work(live, dataset.id, 2 if publish else 1)
    with transaction(live.session_factory) as session:
        known = datasets.get_dataset(session, LOCAL_ACTOR, dataset.id)
        datasets.use_again(session, LOCAL_ACTOR, known, known.versions[0], queue=SilentQueue())
    return found


def _imported(live: LiveStudio) -> datasets.Dataset:
    pairs = [(f"Say {n}", f"It is {n}") for n in range(30)]
    pairs += [*pairs[:3], ("Say 5", f"It is not <b>5</b> {LONG}"), ("Mail jo@tunewright.dev", " Done ")]
    lines = "".join(json.dumps({"prompt": prompt, "completion": answer}) + "\n" for prompt, answer in pairs)
    upload = _received(live, "numbers.jsonl", lines)
    with transaction(live.session_factory) as session:
        made = datasets.import_upload(session, LOCAL_ACTOR, upload, storage=live.storage)
    _await_work(live, made.id, 1)
    return made


def _kept(live: LiveStudio) -> str:
    upload = _received(live, "fragen.csv", f"Frage,Antwort\n<b>1</b>,{LONG}\n2,zwei\n")
    with transaction(live.session_factory) as session:
        sight = datasets.keep_upload(session, LOCAL_ACTOR, upload, storage=live.storage, queue=SilentQueue())
    return sight.arrival.id


def _received(live: LiveStudio, name: str, text: str) -> datasets.ReceivedUpload:
    with Receiver(live.settings.uploads_dir, name, 1 << 20) as receiver:
        receiver.write(text.encode())
        return receiver.finish()


def _await_work(live: LiveStudio, dataset_id: str, versions: int) -> None:
    """Until all that was asked for is done, and so many versions are there."""

    def _done() -> bool:
        with reading(live.session_factory) as session:
            dataset = datasets.get_dataset(session, LOCAL_ACTOR, dataset_id)
            chores = [datasets.checkup_of(session, LOCAL_ACTOR, version) for version in dataset.versions]
            waiting = session.scalar(select(func.count()).where(Chore.status.in_(("queued", "running"))))
        return len(dataset.versions) == versions and None not in chores and not waiting

    wait_until(_done, seconds=60)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_are_accessible_within_the_policy_and_fit_the_screen(
    look_over: LookOver, live: LiveStudio, ids: dict[str, str], path: str, theme: str
) -> None:
    look_over(live.url + path.format(**ids), theme)


def test_a_row_is_edited_and_kept_without_script(
    open_page: Callable[..., Page], live: LiveStudio, ids: dict[str, str]
) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"{live.url}/datasets/{ids['dataset']}?version=2")
    page.get_by_role("link", name="Edit row 1", exact=True).click()

    page.get_by_role("textbox", name="Answer").fill("Nought")
    page.get_by_role("button", name="See what would change").click()
    # The page loads itself anew every three seconds until it is done.
    make = page.get_by_role("button", name="Make version 4")
    expect(make).to_be_visible(timeout=MINUTES)
    expect(page.get_by_role("article", name="Row 1")).to_contain_text("Nought")
    make.click()
    expect(page.get_by_text("This is version 4.")).to_be_visible(timeout=MINUTES)

    page.get_by_role("link", name="Compare with version 2").click()
    expect(page.get_by_role("article", name="Row 1")).to_contain_text("Nought")


def test_columns_are_chosen_while_the_first_rows_are_shown(
    open_page: Callable[..., Page], live: LiveStudio, tmp_path: Path
) -> None:
    table = tmp_path / "kings.csv"
    table.write_text("context,question,answer\n" + "".join(f"Long ago,Who was number {n}?,No {n}\n" for n in range(5)))
    page = open_page()
    page.goto(f"{live.url}/datasets/new")
    page.locator("#dataset-file").set_input_files(table)
    page.get_by_role("button", name="Upload and check").click()
    first = page.get_by_role("article", name="Row 1 of the preview")
    expect(first).to_contain_text("Who was number 0?")

    with page.expect_request("**/mapping-preview") as sent:
        page.get_by_label("Prompt").select_option("context")
    expect(first).to_contain_text("Long ago")
    page.get_by_role("button", name="Upload and check").click()

    expect(page.get_by_role("article", name="Row 1", exact=True)).to_contain_text("Long ago")
    # The file does not travel with each choice.
    assert "Who was number 4?" not in (sent.value.post_data or "")
