"""The long ones: a minute without a network, ten restarts during a run, and a first connection that is refused."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, Route

from tests.browser.live import LiveStudio, running_studio
from tests.browser.network import Network
from tests.browser.training import Training, drawn, expect_all, seconds_until_drawn

pytestmark = [pytest.mark.browser, pytest.mark.faults]

STEPS_PER_SECOND = 10
RESTARTS = 10
OFFLINE_SECONDS = 60
# The page takes a connection for dead after 20 s, and looks every 4 s.
SILENT_SECONDS = 40


@pytest.fixture(scope="module")
def live(redis_url: str) -> Iterator[LiveStudio]:
    """A website without a worker."""
    with running_studio(redis_url, with_worker=False) as studio:
        yield studio


@pytest.fixture
def training(live: LiveStudio, redis_url: str) -> Iterator[Training]:
    """A run in training."""
    training = Training(live, redis_url, total_steps=5000)
    yield training
    training.close()


def test_a_minute_offline_leaves_no_gap(open_page: Callable[..., Page], live: LiveStudio, training: Training) -> None:
    page = open_page()
    with Network(live.url) as network:
        page.goto(network.url + training.path)
        training.advance(5)
        expect_all(page, training)

        with advancing(training):
            network.cut()
            page.context.set_offline(True)
            page.wait_for_timeout(OFFLINE_SECONDS * 1000)
            missed = training.count() - sum(len(points) for points in drawn(page).values())
            network.mend()
            page.context.set_offline(False)
            began = time.monotonic()
        seconds_until_drawn(page, training.histories())
        seconds = time.monotonic() - began

        expect_all(page, training)
        assert missed > OFFLINE_SECONDS * STEPS_PER_SECOND / 3
        report("offline", seconds_offline=OFFLINE_SECONDS, points_missed=missed, seconds_to_catch_up=seconds)


def test_a_connection_that_dies_without_a_word_is_made_anew(
    open_page: Callable[..., Page], live: LiveStudio, training: Training
) -> None:
    page = open_page()
    with Network(live.url) as network:
        page.goto(network.url + training.path)
        training.advance(5)
        expect_all(page, training)

        network.silence()
        training.advance(5)
        seconds = seconds_until_drawn(page, training.histories(), seconds=SILENT_SECONDS)

        training.advance(1)
        assert seconds_until_drawn(page, training.histories()) < 3
        report("silent connection", seconds_to_catch_up=seconds)


def test_ten_restarts_of_the_website_during_a_run_leave_no_gap(
    open_page: Callable[..., Page], live: LiveStudio, training: Training
) -> None:
    page = open_page()
    page.goto(training.url)
    training.advance(5)
    expect_all(page, training)
    gaps = []

    for _ in range(RESTARTS):
        with advancing(training):
            live.website.stop()
            page.wait_for_timeout(300)
            live.website.start()
            began = time.monotonic()
            page.wait_for_timeout(500)
        gaps.append(time.monotonic() - began + seconds_until_drawn(page, training.histories()))

    expect_all(page, training)
    report("restarts", points=training.count(), restarts=RESTARTS, slowest_seconds_to_catch_up=max(gaps))


def test_a_page_whose_first_connection_was_refused_connects_by_itself(
    open_page: Callable[..., Page], training: Training
) -> None:
    page = open_page()
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=503, body="Too many pages are watching at the moment.")

    page.route("**/stream?*", refuse, times=1)
    page.goto(training.url)
    training.advance(2)
    expect_all(page, training)
    assert len(refused) == 1

    training.advance(3)
    wanted = training.histories()
    seconds_until_drawn(page, wanted)
    training.advance(1)
    assert seconds_until_drawn(page, training.histories()) < 3


@contextmanager
def advancing(training: Training) -> Iterator[None]:
    """The run goes on meanwhile."""
    stop = threading.Event()
    thread = threading.Thread(target=training.advance_until, args=(stop, STEPS_PER_SECOND))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def report(what: str, **figures: float) -> None:
    """Print what was measured."""
    print(f"{what}:", json.dumps({name: round(value, 2) for name, value in figures.items()}))
