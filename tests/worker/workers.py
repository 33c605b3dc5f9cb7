"""Whole workers in processes of their own, whose trainer is a stand-in, and waiting for what they do."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Engine

from studio.db import SessionFactory, reading
from studio.queue import CeleryQueue
from studio.runs import Run
from studio.settings import Settings

StartWorker = Callable[..., "Worker"]
Found = TypeVar("Found")
SECRET = "a-secret-of-the-studio"


class Worker:
    """A worker's process and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, session_factory: SessionFactory) -> None:
        self.process = process
        self.log = log
        self._session_factory = session_factory

    def read(self, run_id: str) -> Run:
        """The run's row as it is now."""
        with reading(self._session_factory) as session:
            return session.get_one(Run, run_id)

    def await_run(self, run_id: str, ready: Callable[[Run], bool], *, seconds: float = 90) -> Run:
        """Until the row is as wanted."""
        return await_(lambda: run if ready(run := self.read(run_id)) else None, seconds, self.log.read_text)

    def await_log(self, text: str, *, seconds: float = 90) -> str:
        """Until the log has said it."""
        return await_(lambda: log if text in (log := self.log.read_text()) else None, seconds, self.log.read_text)

    def family(self) -> set[int]:
        """The worker, its forkserver, its trainers and what they started."""
        found = {self.process.pid}
        while grown := {pid for pid, parent in parents().items() if parent in found} - found:
            found |= grown
        return found


@pytest.fixture
def start_worker(
    settings: Settings,
    session_factory: SessionFactory,
    engine: Engine,
    empty_redis: str,
    models_root: Path,
    tmp_path: Path,
) -> Iterator[StartWorker]:
    """Start `python -m tests.worker.small_worker TARGET`; what is left at the end is killed."""
    started: list[Worker] = []

    def _start(target: str, **environ: str) -> Worker:
        settings.data_dir.mkdir(exist_ok=True)
        log = tmp_path / f"worker-{len(started)}.log"
        given = {
            "TUNEWRIGHT_DATA_DIR": str(settings.data_dir),
            "TUNEWRIGHT_DATABASE_URL": engine.url.render_as_string(hide_password=False),
            "TUNEWRIGHT_REDIS_URL": empty_redis,
            "TUNEWRIGHT_MODELS_ROOT": str(models_root),
            "TUNEWRIGHT_CHECKPOINT_STEPS": "10",
            "HF_TOKEN": SECRET,
            "SOME_API_KEY": SECRET,
        }
        with log.open("wb") as stream:
            command = [sys.executable, "-m", "tests.worker.small_worker", target]
            process = subprocess.Popen(command, stdout=stream, stderr=stream, env={**os.environ, **given, **environ})
        started.append(Worker(process, log, session_factory))
        return started[-1]

    yield _start
    for worker in started:
        worker.process.kill()
        worker.process.wait()


@pytest.fixture
def queue(empty_redis: str) -> CeleryQueue:
    """Hints to these workers."""
    return CeleryQueue(empty_redis)


def parents() -> dict[int, int]:
    """The parent of every living process."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(") ")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found[int(folder.name)] = int(parent)
    return found


def await_gone(pids: set[int], *, seconds: float = 5) -> None:
    """Until none of them lives."""
    await_(lambda: True if not pids & parents().keys() else None, seconds, lambda: str(pids & parents().keys()))


def await_(look: Callable[[], Found | None], seconds: float, explain: Callable[[], str]) -> Found:
    """Poll until something is found; fail at the deadline with what `explain` says."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)
    return found
