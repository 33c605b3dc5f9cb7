"""A supervisor of a few lines: runs trainers in children, kills them, and goes on from what they committed.

What a run shows afterwards is put together by the rules of `studio.runs.lease`: points behind the checkpoint that an
attempt goes on from are hidden, whoever told them.
"""

import os
import signal
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import connection
from pathlib import Path
from typing import Any

import worker.evaluate
import worker.export
import worker.hardware
import worker.train
from studio import runs
from studio.runs.events import Checkpointed, Event, Exported, Measured
from studio.runs.folders import CHECKPOINTS, EVENTS_FILE, LOG_FILE, checkpoint_name
from studio.storage import sha256_of
from worker.assignment import Assignment
from worker.event_log import EventLog
from worker.leaving import Orders
from worker.signals import FINISH, SAVE_AND_LEAVE
from worker.start import ForkedChild, Forkserver
from worker.tokens_encode import RowEncoder
from worker.trainer import AnswerTrainer

MOMENT = "moment"
# Each start of a process looks after all others that have ended: two threads would read the same exit code, and the
# second of them gets none.
ONE_AT_A_TIME = threading.Lock()
SERIES = ("train/loss", "train/grad_norm", "train/learning_rate", "eval/loss")
# Where a trainer may be hit, by the call that is about to be made.
PLACES: dict[str, tuple[Any, str]] = {
    "line": (EventLog, "emit"),
    "load": (worker.train, "copy_start"),
    "encode": (RowEncoder, "_encode"),
    "pass": (AnswerTrainer, "training_step"),
    "token": (worker.evaluate._Between, "__call__"),
    "rename": (Path, "rename"),
    "fsync": (os, "fsync"),
    "link": (os, "link"),
    "papers": (worker.export, "write_papers"),
}
# Where a trainer has nothing to save and ends at once, in its listening thread.
NOTHING_TO_SAVE = ("load", "encode", "papers")


def train_on_one_thread(folder: Path) -> int:
    """A trainer that shares the machine with others, and is hit by a signal at the moment that a file names."""
    worker.hardware.available_cores = lambda: 1
    worker.train.Orders = Remembered
    moment = folder / MOMENT
    if moment.is_file():
        _hit_at(moment.read_text())
    return worker.train.main(folder)


def _hit_at(moment: str) -> None:
    """`pass 12 SIGKILL`: at the 13th call of that kind."""
    place, count, name = moment.split()
    owner, attribute = PLACES[place]
    action, left = getattr(owner, attribute), [int(count)]

    def act(*arguments: Any, **keywords: Any) -> Any:
        left[0] -= 1
        if left[0] == -1:
            os.kill(os.getpid(), signal.Signals[name])
            _until_heard(signal.Signals[name], place)
        return action(*arguments, **keywords)

    setattr(owner, attribute, act)


class Remembered(Orders):
    """The orders of this trainer, at hand to whoever has to know that they were heard."""

    latest: Orders

    def __enter__(self) -> Orders:
        Remembered.latest = super().__enter__()
        return self


def _until_heard(number: signal.Signals, place: str) -> None:
    """The listening thread hears it a moment after it was sent; by then a tiny model has gone on to its next phase."""
    if place in NOTHING_TO_SAVE and number is SAVE_AND_LEAVE:
        threading.Event().wait()
    while number in (SAVE_AND_LEAVE, FINISH) and not (Remembered.latest._leave or Remembered.latest.finish):
        time.sleep(0.0005)


@dataclass
class Shown:
    """What a person sees of a run, and what it leaves."""

    points: dict[tuple[str, int], float | str] = field(default_factory=dict)
    answers: dict[int, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    adapter_sha256: str = ""
    metrics: bytes = b""
    archive_sha256: str = ""
    exported_step: int | None = None
    attempts: int = 0

    def hex(self) -> dict[tuple[str, int], str]:
        """The series that must be equal, bit by bit."""
        return {key: float(value).hex() for key, value in sorted(self.points.items()) if key[0] in SERIES}


@dataclass
class Committed:
    """A checkpoint that the supervisor has verified."""

    step: int
    epoch: int
    folder: Path


class LittleStudio:
    """One run in a folder, attempt after attempt."""

    def __init__(self, forkserver: Forkserver, assignment: Assignment, folder: Path) -> None:
        self._forkserver = forkserver
        self._assignment = assignment
        self._folder = folder
        self.committed: Committed | None = None
        self.shown = Shown()
        self._by_epoch: dict[tuple[str, int], int] = {}

    def begin_again(self) -> None:
        """Forget everything, as for another run; attempts are counted on."""
        self.shown = Shown(attempts=self.shown.attempts)
        self.committed = None
        self._by_epoch = {}

    def start(self, *, hit: str = "", **changes: Any) -> tuple[ForkedChild, Path]:
        """Start the next attempt."""
        self.shown.attempts += 1
        folder = self._folder / f"attempt-{self.shown.attempts}"
        folder.mkdir(parents=True)
        self._go_back()
        checkpoint = self.committed.folder if self.committed else None
        changes = {"epoch": self.shown.attempts, "checkpoint": checkpoint, **changes}
        self._assignment.model_copy(update=changes).write(folder)
        if hit:
            (folder / MOMENT).write_text(hit)
        with ONE_AT_A_TIME:
            return self._forkserver.start(train_on_one_thread, folder), folder

    def attempt(self, *, hit: str = "", kill_after: float | None = None, **changes: Any) -> int:
        """Run an attempt to its end, or to its kill; returns the exit code."""
        child, folder = self.start(hit=hit, **changes)
        if kill_after is not None:
            threading.Timer(kill_after, _kill, [child.pid]).start()
        return self.finish(child, folder)

    def finish(self, child: ForkedChild, folder: Path, *, seconds: float = 120) -> int:
        """Wait for the end and take in what was told."""
        connection.wait([child._trainer.sentinel], timeout=seconds)
        with ONE_AT_A_TIME:
            code = child.wait(0)
        assert code is not None, (folder / LOG_FILE).read_text()[-3000:]
        self._take_in(read_events(folder), folder)
        return code

    def run(self, kills: list[str]) -> Shown:
        """Kill an attempt at each of these moments, then let one through."""
        for moment in kills:
            code = self.attempt(hit=f"{moment} SIGKILL")
            assert code == -signal.SIGKILL, (moment, code)
        code = self.attempt()
        assert code == 0, (code, self.log())
        return self.shown

    def phases(self) -> list[str]:
        """What the last attempt did."""
        events = read_events(self._folder / f"attempt-{self.shown.attempts}")
        return [event.phase for event in events if event.t == "phase"]

    def log(self) -> str:
        """The end of the last trainer's log."""
        return (self._folder / f"attempt-{self.shown.attempts}" / LOG_FILE).read_text()[-3000:]

    def _go_back(self) -> None:
        committed = self.committed
        for key, epoch in list(self._by_epoch.items()):
            if committed is None or key[1] > committed.step or epoch > committed.epoch:
                del self._by_epoch[key], self.shown.points[key]

    def _take_in(self, events: list[Event], folder: Path) -> None:
        epoch = self.shown.attempts
        for event in events:
            if isinstance(event, Measured):
                for name, value in event.values.items():
                    assert (name, event.step) not in self.shown.points, (name, event.step, epoch)
                    self.shown.points[name, event.step] = value
                    self._by_epoch[name, event.step] = epoch
            elif isinstance(event, Checkpointed):
                path = folder / CHECKPOINTS / checkpoint_name(event.step)
                runs.verify_folder(path, event.manifest_sha256)
                self.committed = Committed(event.step, epoch, path)
            elif event.t == "resumed":
                self.shown.notes.append(event.difference)
            elif event.t == "answers":
                self.shown.answers[event.step] = event.answers
            elif isinstance(event, Exported):
                self._take_archive(folder, event)

    def _take_archive(self, folder: Path, exported: Exported) -> None:
        assert sha256_of(folder / exported.archive) == exported.sha256
        self.shown.archive_sha256, self.shown.exported_step = exported.sha256, exported.step
        with zipfile.ZipFile(folder / exported.archive) as archive:
            self.shown.metrics = archive.read("metrics.csv")
        sha256s = {file["name"]: file["sha256"] for file in exported.files}
        self.shown.adapter_sha256 = sha256s.get("adapter_model.safetensors") or sha256s["model.safetensors"]


def read_events(folder: Path) -> list[Event]:
    """Every whole line; the last one of a killed trainer may be torn."""
    path = folder / EVENTS_FILE
    whole = path.read_bytes().rpartition(b"\n")[0] if path.is_file() else b""
    return [runs.parse_event(line) for line in whole.splitlines()]


def await_event(folder: Path, found: Callable[[list[Event]], bool], child: ForkedChild, *, seconds: float = 60) -> None:
    """Wait until the trainer has told what is looked for."""
    deadline = time.monotonic() + seconds
    while not found(read_events(folder)):
        assert time.monotonic() < deadline, read_events(folder)
        assert child.wait(0.005) is None, (folder / LOG_FILE).read_text()[-3000:]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
