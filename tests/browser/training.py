"""A run whose worker is the test, and what the page in the browser knows of it."""

import threading
import time
from typing import Any

from playwright.sync_api import Page, expect

from studio import datasets, runs
from studio.actors import LOCAL_ACTOR
from studio.datasets import Receiver
from studio.db import reading, transaction
from studio.queue import SilentQueue
from studio.runs import Run
from studio.runs.events import Measured, PhaseBegan, Progressed
from studio.wire import Wire
from tests.browser.live import LiveStudio
from tests.feeding import Feed

CAUGHT_UP_MS = 40_000
METRICS = ("train/loss", "eval/loss")
# The page's own store of points: the module is the one that the page runs, for the address is the same.
_DRAWN = """async (names) => {
  const { series } = await import(document.querySelector("script[src*='/run.js']").src);
  return Object.fromEntries(names.map((name) => [name, series.points(name).map(([step, { value }]) => [step, value])]));
}"""
Histories = dict[str, list[list[Any]]]


class Training(Feed):
    """A run in training that measures when the test says so."""

    def __init__(self, live: LiveStudio, redis_url: str, *, total_steps: int = 100) -> None:
        self.total_steps = total_steps
        self.step = 0
        self._live = live
        self._wire_to_close = Wire(redis_url)
        super().__init__(live.session_factory, self._launch(), self._wire_to_close)

    @property
    def url(self) -> str:
        """The run's page."""
        return f"{self._live.url}{self.path}"

    @property
    def path(self) -> str:
        """The page's address within the website."""
        return f"/runs/{self.run_id}"

    def advance(self, steps: int, *, is_heard: bool = True) -> None:
        """Measure so many steps, one validation at the end of them."""
        for _ in range(steps):
            self._advance(is_heard)
        self._say({"eval/loss": 3.5 / self.step}, is_heard)

    def advance_until(self, stop: threading.Event, steps_per_second: float) -> None:
        """Train at this pace until told to stop, for a thread of its own; every 20 steps a validation."""
        while not stop.wait(1 / steps_per_second):
            self._advance(is_heard=True)
            if self.step % 20 == 0:
                self._say({"eval/loss": 3.5 / self.step}, is_heard=True)

    def begin_again(self) -> None:
        """Hand the run back and take it anew, as after the end of a worker."""
        self.resume()
        with reading(self._live.session_factory) as session:
            self.step = session.get_one(Run, self.run_id).step

    def histories(self) -> Histories:
        """What SQL shows."""
        with reading(self._live.session_factory) as session:
            run = session.get_one(Run, self.run_id)
            return {name: [[p.step, p.value] for p in runs.read_series(session, run, name)] for name in METRICS}

    def count(self) -> int:
        """How many points that are."""
        return sum(len(points) for points in self.histories().values())

    def close(self) -> None:
        """End the run without a word to anyone, and let the wire go."""
        self.end()
        self._wire_to_close.close()

    def _advance(self, is_heard: bool) -> None:
        self.step += 1
        self._say({"train/loss": 3 / self.step}, is_heard)

    def _say(self, values: dict[str, Any], is_heard: bool) -> None:
        self.record(
            PhaseBegan(phase="training"),
            Progressed(step=self.step, total_steps=self.total_steps),
            Measured(step=self.step, values=values),
            is_heard=is_heard,
        )

    def _launch(self) -> str:
        lines = b"".join(b'{"prompt": "Say %d", "completion": "It is %d"}\n' % (n, n) for n in range(30))
        with Receiver(self._live.settings.uploads_dir, "numbers.jsonl", 1 << 20) as receiver:
            receiver.write(lines)
            upload = receiver.finish()
        with transaction(self._live.session_factory) as session:
            dataset = datasets.import_upload(session, LOCAL_ACTOR, upload, storage=self._live.storage, name="Numbers")
            version = dataset.latest
            data = {"dataset_version_id": version.id, "sha256": version.sha256, "split": version.split}
            spec = runs.validate_spec({"data": data, "hyperparameters": {"max_steps": self.total_steps}})
            return runs.launch(session, LOCAL_ACTOR, spec, queue=SilentQueue(), settings=self._live.settings).id


def drawn(page: Page) -> Histories:
    """What the page's charts are drawn from."""
    found: Histories = page.evaluate(_DRAWN, list(METRICS))
    return found


def seconds_until_drawn(page: Page, wanted: Histories, seconds: float = 40.0) -> float:
    """How long it took until the charts had exactly these points, each once and in order."""
    began = time.monotonic()
    while drawn(page) != wanted:
        if time.monotonic() - began > seconds:
            assert drawn(page) == wanted
        page.wait_for_timeout(50)
    expect(page.locator("#loss-chart")).to_have_attribute(
        "data-points", " ".join(str(len(wanted[name])) for name in METRICS)
    )
    return time.monotonic() - began


def expect_all(page: Page, training: Training) -> None:
    """The chart, its table and the status know what SQL knows."""
    wanted = training.histories()
    seconds_until_drawn(page, wanted)
    rows = page.locator("#run-losses tbody tr:not(:has([colspan]))")
    expect(rows).to_have_count(len(wanted["eval/loss"]), timeout=CAUGHT_UP_MS)
    step = f"Step {training.step:,} of {training.total_steps:,}"
    expect(page.locator(".status-numbers")).to_contain_text(step, timeout=CAUGHT_UP_MS)
