"""A lost connection, a restart of the website or a new attempt leaves no hole in the chart and no old status."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from studio import datasets, runs
from studio.actors import LOCAL_ACTOR
from studio.datasets import Receiver
from studio.db import transaction
from studio.queue import SilentQueue
from studio.runs.events import Measured, PhaseBegan, Progressed
from studio.runs.lease import Lease
from studio.wire import Wire
from tests.browser.live import LiveStudio, running_studio

pytestmark = pytest.mark.browser

STEPS = 100
CAUGHT_UP_MS = 40_000


class Training:
    """A run whose worker is this test: it records behind a lease and publishes, or loses what it would publish."""

    def __init__(self, live: LiveStudio, redis_url: str) -> None:
        self._live = live
        self._wire = Wire(redis_url)
        self._step = 0
        self.run_id = self._launch()
        self._lease = self._claim()

    @property
    def url(self) -> str:
        """The run's page."""
        return f"{self._live.url}/runs/{self.run_id}"

    def advance(self, steps: int, *, is_heard: bool = True) -> None:
        """Measure so many steps, one validation at the end of them."""
        for _ in range(steps):
            self._step += 1
            self._record({"train/loss": 3 / self._step}, is_heard)
        self._record({"eval/loss": 3.5 / self._step}, is_heard)

    def begin_again(self) -> None:
        """Hand the run back and take it anew, as after the end of a worker."""
        with transaction(self._live.session_factory) as session:
            runs.hand_back(session, self._lease, "The worker stopped.")
        self._lease, self._step = self._claim(), 0

    def finish(self) -> None:
        """End the run without a word to anyone."""
        with transaction(self._live.session_factory) as session:
            runs.end(session, self._lease, "cancelled")

    def close(self) -> None:
        """Let the wire go."""
        self._wire.close()

    def _record(self, values: dict[str, float | str], is_heard: bool) -> None:
        events = [
            PhaseBegan(phase="training"),
            Progressed(step=self._step, total_steps=STEPS),
            Measured(step=self._step, values=values),
        ]
        with transaction(self._live.session_factory) as session:
            messages = runs.record(session, self._lease, events)
        if is_heard:
            self._wire.publish(self.run_id, messages)

    def _launch(self) -> str:
        lines = b"".join(b'{"prompt": "Say %d", "completion": "It is %d"}\n' % (n, n) for n in range(30))
        with Receiver(self._live.settings.uploads_dir, "numbers.jsonl", 1 << 20) as receiver:
            receiver.write(lines)
            upload = receiver.finish()
        with transaction(self._live.session_factory) as session:
            dataset = datasets.import_upload(session, LOCAL_ACTOR, upload, storage=self._live.storage, name="Numbers")
            version = dataset.latest
            data = {"dataset_version_id": version.id, "sha256": version.sha256, "split": version.split}
            spec = runs.validate_spec({"data": data, "hyperparameters": {"max_steps": STEPS}})
            return runs.launch(session, LOCAL_ACTOR, spec, queue=SilentQueue(), settings=self._live.settings).id

    def _claim(self) -> Lease:
        with transaction(self._live.session_factory) as session:
            lease = runs.claim_next(session, "the test")
        assert lease is not None
        assert lease.run_id == self.run_id
        return lease


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
    training.finish()
    training.close()


def expect_all(page: Page, training: int, validation: int) -> None:
    """The chart, its table and the status know so many points, each once."""
    points = f"{training} {validation}"
    expect(page.locator("#loss-chart")).to_have_attribute("data-points", points, timeout=CAUGHT_UP_MS)
    expect(page.locator("#run-losses tbody tr")).to_have_count(validation, timeout=CAUGHT_UP_MS)
    expect(page.locator(".status-numbers")).to_contain_text(f"Step {training} of {STEPS}", timeout=CAUGHT_UP_MS)


def test_a_restart_of_the_website_leaves_no_hole(
    open_page: Callable[..., Page], live: LiveStudio, training: Training
) -> None:
    training.advance(3)
    page = open_page()
    page.goto(training.url)
    expect_all(page, 3, 1)
    training.advance(2)
    expect_all(page, 5, 2)

    live.website.stop()
    training.advance(4, is_heard=False)
    live.website.start()
    training.advance(2)

    expect_all(page, 11, 4)
    training.advance(1)
    expect_all(page, 12, 5)


def test_a_browser_that_was_offline_catches_up(open_page: Callable[..., Page], training: Training) -> None:
    page = open_page()
    page.goto(training.url)
    training.advance(3)
    expect_all(page, 3, 1)

    page.context.set_offline(True)
    training.advance(4)
    training.advance(2, is_heard=False)
    page.context.set_offline(False)

    expect_all(page, 9, 3)
    training.advance(1)
    expect_all(page, 10, 4)


def test_points_that_were_never_published_are_drawn(open_page: Callable[..., Page], training: Training) -> None:
    page = open_page()
    page.goto(training.url)
    training.advance(2)
    expect_all(page, 2, 1)

    training.advance(5, is_heard=False)

    expect_all(page, 7, 2)


def test_a_new_attempt_takes_the_place_of_the_old_one(open_page: Callable[..., Page], training: Training) -> None:
    page = open_page()
    page.goto(training.url)
    training.advance(6)
    expect_all(page, 6, 1)

    training.begin_again()
    training.advance(2)

    expect_all(page, 2, 1)
