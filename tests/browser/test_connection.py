"""A lost connection, a restart of the website or a new attempt leaves no hole in the chart and no old status."""

from collections.abc import Callable, Iterator

import pytest
import redis
from playwright.sync_api import Page, expect

from tests.browser.live import LiveStudio, running_studio
from tests.browser.network import Network
from tests.browser.training import Training, drawn, expect_all

pytestmark = pytest.mark.browser

# Headless Chromium hides no tab by itself.
HIDE = """(isHidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def live(redis_url: str) -> Iterator[LiveStudio]:
    """A website without a worker."""
    with running_studio(redis_url, with_worker=False) as studio:
        yield studio


@pytest.fixture
def training(live: LiveStudio, redis_url: str) -> Iterator[Training]:
    """A run in training."""
    training = Training(live, redis_url)
    yield training
    training.close()


def test_a_restart_of_the_website_leaves_no_hole(
    open_page: Callable[..., Page], live: LiveStudio, training: Training
) -> None:
    training.advance(3)
    page = open_page()
    page.goto(training.url)
    expect_all(page, training)

    live.website.stop()
    training.advance(4, is_heard=False)
    live.website.start()
    training.advance(2)

    expect_all(page, training)
    training.advance(1)
    expect_all(page, training)


def test_a_browser_that_was_offline_catches_up(
    open_page: Callable[..., Page], live: LiveStudio, training: Training
) -> None:
    page = open_page()
    with Network(live.url) as network:
        page.goto(network.url + training.path)
        training.advance(3)
        expect_all(page, training)

        network.cut()
        page.context.set_offline(True)
        training.advance(4)
        training.advance(2, is_heard=False)
        page.wait_for_timeout(2000)
        assert len(drawn(page)["train/loss"]) == 3
        network.mend()
        page.context.set_offline(False)

        expect_all(page, training)
        training.advance(1)
        expect_all(page, training)


def test_a_flushed_redis_and_points_that_were_never_published_leave_no_hole(
    open_page: Callable[..., Page], training: Training, redis_url: str
) -> None:
    page = open_page()
    page.goto(training.url)
    training.advance(2)
    expect_all(page, training)

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    training.advance(5, is_heard=False)

    expect_all(page, training)


def test_what_a_resumed_run_superseded_vanishes_from_the_chart(
    open_page: Callable[..., Page], training: Training
) -> None:
    page = open_page()
    page.goto(training.url)
    training.advance(4)
    training.commit_checkpoint(4)
    training.advance(3)
    expect_all(page, training)

    training.begin_again()

    assert training.step == 4
    expect_all(page, training)
    training.advance(2)
    expect_all(page, training)


def test_a_run_that_begins_anew_from_nothing_clears_the_chart(
    open_page: Callable[..., Page], training: Training
) -> None:
    page = open_page()
    page.goto(training.url)
    training.advance(6)
    expect_all(page, training)

    training.begin_again()

    expect_all(page, training)
    expect(page.locator("[data-latest='train/loss']")).to_have_text("–")
    training.advance(2)
    expect_all(page, training)


def test_a_hidden_tab_lets_its_stream_go_and_catches_up_when_it_is_shown(
    open_page: Callable[..., Page], training: Training
) -> None:
    page = open_page()
    page.goto(training.url)
    training.advance(2)
    expect_all(page, training)

    page.evaluate(HIDE, True)
    training.advance(3)
    page.wait_for_timeout(1000)
    assert len(drawn(page)["train/loss"]) == 2
    page.evaluate(HIDE, False)

    expect_all(page, training)


def test_the_end_of_a_run_closes_its_stream(open_page: Callable[..., Page], live: LiveStudio, redis_url: str) -> None:
    training = Training(live, redis_url)
    page = open_page()
    page.goto(training.url)
    training.advance(2)
    expect_all(page, training)

    training.close()

    expect(page.locator("#run-status")).to_have_attribute("data-status", "cancelled", timeout=10_000)
    expect_all(page, training)
