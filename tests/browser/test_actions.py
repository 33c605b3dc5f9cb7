"""The buttons of a run's page in a real browser, on a real worker that makes steps without training."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from studio import datasets, runs
from studio.actors import LOCAL_ACTOR
from studio.datasets import Receiver
from studio.db import reading, transaction
from studio.queue import CeleryQueue, SilentQueue
from studio.runs import Run
from tests.browser.live import LiveStudio, running_studio
from tests.faults.chaos.processes import await_that

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]
MINUTE = 60_000


@pytest.fixture(scope="module")
def live(redis_url: str) -> Iterator[LiveStudio]:
    """A website and a worker; each run makes 300 steps in about 6 s and saves after every 50."""
    with running_studio(redis_url, with_worker=True, stand_in="three_hundred_steps") as studio:
        yield studio


@pytest.fixture(scope="module")
def spec(live: LiveStudio) -> runs.RunSpec:
    lines = b"".join(b'{"prompt": "Say %d", "completion": "It is %d"}\n' % (n, n) for n in range(30))
    with Receiver(live.settings.uploads_dir, "numbers.jsonl", 1 << 20) as receiver:
        receiver.write(lines)
        upload = receiver.finish()
    with transaction(live.session_factory) as session:
        dataset = datasets.import_upload(session, LOCAL_ACTOR, upload, storage=live.storage, name="Numbers")
        data = {"dataset_version_id": dataset.latest.id, "sha256": dataset.latest.sha256}
    return runs.validate_spec({"data": data, "hyperparameters": {"max_steps": 300}})


@pytest.fixture
def launched(live: LiveStudio, spec: runs.RunSpec, open_page: OpenPage) -> Page:
    """The page of a run that the worker trains."""
    page = open_page()
    page.goto(f"{live.url}/runs/{_launch(live, spec)}")
    expect(_status(page)).to_contain_text("Training", timeout=MINUTE)
    return page


def test_a_run_is_paused_and_resumed_by_keyboard_and_finishes(
    launched: Page, live: LiveStudio, complaints: list[str]
) -> None:
    page = launched
    page.get_by_role("button", name="Pause").focus()
    expect(page.locator(".status-numbers")).to_contain_text(re.compile(r"Step [1-9]"))
    expect(page.get_by_role("button", name="Pause")).to_be_focused()

    page.keyboard.press("Enter")

    expect(_status(page)).to_contain_text("no GPU is held and nothing is spent while it is paused", timeout=MINUTE)
    paused = _read(live, _run_id(page))
    assert (paused.status, paused.desired, paused.owner) == ("queued", "pause", None)
    assert paused.checkpoint_step == paused.step > 0
    expect(page.get_by_role("button", name="Resume")).to_be_focused()

    # As two swaps at once may leave it.
    page.evaluate(
        "() => { const part = document.querySelector('#run-status'); part.outerHTML = part.outerHTML; "
        "document.querySelector('#run-status').dispatchEvent(new Event('htmx:after:swap', {bubbles: true})); "
        "htmx.process(document.querySelector('#run-status')); }"
    )
    expect(page.get_by_role("button", name="Resume")).to_be_focused()

    page.keyboard.press("Enter")

    expect(_status(page)).to_contain_text("Finished", timeout=MINUTE)
    expect(page.locator("#run-standing")).to_contain_text(f"Attempt 2: Paused at step {paused.checkpoint_step}.")
    expect(page.locator("#run-standing")).to_contain_text("Resumed to the same bits")
    expect(page.locator("#loss-chart")).to_have_attribute("data-points", "300 0")
    expect(page.get_by_role("link", name="Download adapter")).to_be_visible()
    assert complaints == []


def test_stopping_keeps_what_was_trained(launched: Page, live: LiveStudio) -> None:
    launched.get_by_role("button", name="Stop and keep the best").click()

    expect(_status(launched)).to_contain_text("Finished", timeout=MINUTE)
    expect(launched.get_by_role("link", name="Download adapter")).to_be_visible()
    assert 0 < _read(live, _run_id(launched)).step < 300


def test_a_cancelled_run_goes_on_or_is_kept_from_its_checkpoint_as_a_new_one(launched: Page, live: LiveStudio) -> None:
    page, dialog = launched, launched.get_by_role("dialog", name="Cancel this run?")
    page.get_by_role("button", name="Cancel run").click()
    expect(dialog).to_contain_text(
        re.compile(r"Lost are the steps since the last checkpoint \(step \d+\)"), timeout=MINUTE
    )
    expect(dialog.get_by_role("button", name="Do not cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    page.get_by_role("button", name="Cancel run").click()
    dialog.get_by_role("button", name="Cancel run").click()

    expect(_status(page)).to_contain_text("Cancelled", timeout=MINUTE)
    cancelled = _run_id(page)
    step = _read(live, cancelled).checkpoint_step
    assert step is not None and step % 50 == 0
    page.get_by_role("button", name=f"Continue from step {step}").click()

    page.wait_for_url(lambda url: cancelled not in url)
    expect(_status(page)).to_contain_text("Finished", timeout=MINUTE)
    expect(page.locator("#loss-chart")).to_have_attribute("data-points", "300 0")
    assert _read(live, _run_id(page)).parent_run_id == cancelled

    page.goto(f"{live.url}/runs/{cancelled}")
    page.get_by_role("button", name=f"Keep step {step}").click()

    page.wait_for_url(lambda url: cancelled not in url)
    expect(_status(page)).to_contain_text("Finished", timeout=MINUTE)
    expect(page.get_by_role("link", name="Download adapter")).to_be_visible()
    assert _read(live, _run_id(page)).step == step


def test_who_clicks_too_late_is_told(launched: Page, live: LiveStudio, complaints: list[str]) -> None:
    page, run_id = launched, _run_id(launched)
    page.route(re.compile(r"/(status|stream)"), lambda route: route.abort())
    await_that(lambda: _read(live, run_id).is_over, 60, "the run ends")

    page.get_by_role("button", name="Pause").click()

    expect(page.locator("#run-notice")).to_contain_text("The run had already finished; nothing was paused.")
    expect(_status(page)).to_contain_text("Finished")
    complaints.clear()


def test_a_click_while_the_database_is_away_says_so_and_spares_the_page(launched: Page) -> None:
    page = launched

    def _away(route: Route) -> None:
        # Meanwhile news of the run are drawn.
        page.evaluate("() => { const part = document.querySelector('#run-status'); part.outerHTML = part.outerHTML; }")
        route.fulfill(status=503, content_type="text/html", body='<div role="alert">The database is away.</div>')

    page.route("**/pause", _away)
    page.get_by_role("button", name="Pause").click()

    expect(page.locator("#run-notice")).to_contain_text("The database is away.")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_a_click_at_the_moment_of_news_does_not_load_the_page_anew(launched: Page) -> None:
    launched.evaluate(
        "() => { window.hasStayed = true; new MutationObserver((_, news) => { news.disconnect(); "
        "document.querySelector('#run-toggle').click(); }).observe(document.querySelector('#run-now'), "
        "{childList: true}); }"
    )

    expect(_status(launched)).to_contain_text("no GPU is held and nothing is spent while it is paused", timeout=MINUTE)
    assert launched.evaluate("() => window.hasStayed")


def test_a_suggestion_launches_smaller_settings(live: LiveStudio, spec: runs.RunSpec, open_page: OpenPage) -> None:
    failed = _launch(live, spec, desired="pause")
    with transaction(live.session_factory) as session:
        run = session.get_one(Run, failed)
        run.status, run.failure_kind, run.failure_reason = "failed", "oom_gpu", "2.1 GiB were asked for."
    page = open_page()
    page.goto(f"{live.url}/runs/{failed}")

    page.get_by_role("button", name="Run again with batch 2 x accumulation 8").click()

    page.wait_for_url(lambda url: failed not in url)
    made = _read(live, _run_id(page))
    assert (made.run_spec.hyperparameters.batch_size, made.parent_run_id) == (2, failed)


def test_a_paused_run_is_resumed_without_script(live: LiveStudio, spec: runs.RunSpec, open_page: OpenPage) -> None:
    paused = _launch(live, spec, desired="pause")
    page = open_page(java_script_enabled=False)
    page.goto(f"{live.url}/runs/{paused}")
    expect(_status(page)).to_contain_text("before its first step")

    page.get_by_role("button", name="Resume").click()

    assert page.url == f"{live.url}/runs/{paused}"
    assert _read(live, paused).desired == "run"


def _launch(live: LiveStudio, spec: runs.RunSpec, *, desired: str = "run") -> str:
    queue = CeleryQueue(live.settings.redis_url or "") if desired == "run" else SilentQueue()
    with transaction(live.session_factory) as session:
        run = runs.launch(session, LOCAL_ACTOR, spec, queue=queue, settings=live.settings)
        run.desired = desired
        return run.id


def _status(page: Page) -> Locator:
    return page.locator("#run-status")


def _run_id(page: Page) -> str:
    return page.url.rsplit("/", 1)[-1].partition("#")[0]


def _read(live: LiveStudio, run_id: str) -> Run:
    with reading(live.session_factory) as session:
        return session.get_one(Run, run_id)
