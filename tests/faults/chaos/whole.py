"""`tunewright up` as a whole: power cuts, after which it is started again and picks up what was running."""

import random
import signal
import time
from pathlib import Path

from studio.demo_client import Client
from studio.settings import Settings
from tests.faults.chaos.home import CHECKPOINT_STEPS, SPEC, TICKETS
from tests.faults.chaos.ledger import Count, Trajectory, judge
from tests.faults.chaos.processes import alive, await_that, family, send
from tests.faults.chaos.records import Records
from tests.faults.chaos.report import Fault, Report
from tests.up import Up

_PATIENCE_SECONDS = 180.0


def cut_power(folder: Path, like: Trajectory, *, count: int, seed: int) -> Report:
    """Kill the whole studio `count` times under one run, start it again each time, and compare the end."""
    book = Count()
    mains = _Mains(folder / "data", random.Random(seed))
    try:
        faults = [mains.cut() for _ in range(count)]
        ended = mains.records.await_over(mains.run_id, _PATIENCE_SECONDS)
        book.recovered += judge(mains.records, ended, "succeeded", like, book)
    finally:
        mains.close()
    return Report("power cut", seed, faults, book, worker_is_lost=True)


class _Mains:
    """A studio with one run, and its plug."""

    def __init__(self, data_dir: Path, rng: random.Random) -> None:
        self._data_dir, self._rng = data_dir, rng
        url = self._start()
        self.records = Records(Settings(data_dir=data_dir))
        self.run_id = _launch(url)

    def cut(self) -> Fault:
        """Wait for a random step, end everything at once, start again, and see the run go on."""
        wanted = self._rng.randint(3, SPEC["hyperparameters"]["max_steps"] - 4)
        run = self.records.await_run(self.run_id, lambda run: run.is_active and run.step >= wanted, "it trains")
        fault = Fault("power cut", "step", run.id, run.epoch, run.phase, run.step)
        cut_at = time.time()
        self._pull()
        self._start()
        fault.seconds["answers"] = time.time() - cut_at
        self.records.await_metric(run.id, run.epoch, _PATIENCE_SECONDS)
        fault.seconds["next_metric"] = time.time() - cut_at
        return fault

    def close(self) -> None:
        """Stop the studio in order."""
        self._up.stop()
        self.records.dispose()

    def _start(self) -> str:
        self._up = Up(self._data_dir, TUNEWRIGHT_CHECKPOINT_STEPS=str(CHECKPOINT_STEPS))
        return self._up.url()

    def _pull(self) -> None:
        """Freeze all parts first, so that none sees another one die."""
        everything = family(self._up.process.pid)
        send(everything, signal.SIGSTOP)
        send(everything, signal.SIGKILL)
        self._up.ends_with()
        await_that(lambda: not alive(everything), 10, "all of it is gone")


def _launch(url: str) -> str:
    client = Client(url)
    version = client.upload("/api/datasets", TICKETS)["latest"]
    data = {"dataset_version_id": version["id"], "sha256": version["sha256"]}
    run: dict[str, str] = client.post("/api/runs", {"spec": {**SPEC, "data": SPEC["data"] | data}})
    return run["id"]
