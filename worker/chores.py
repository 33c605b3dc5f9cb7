"""Does chores, one at a time, beside the runs: each in a child process that is limited and can be ended."""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from celery import Celery

import studio
from studio import chores
from studio.chores import ChoreLease, ChoreLost
from studio.chores.child import PROGRESS_FILE, REPORT_FILE, REQUEST_FILE
from studio.db import DATABASE_AWAY, transaction
from studio.errors import StudioError
from studio.ids import ID_PATTERN
from studio.queue import CHORE_TASK
from studio.runs.folders import LOG_FILE
from studio.storage import disk_space_told
from worker.bench import Bench
from worker.start import Child, Target, end_group

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_TELL_SECONDS = 1.0
_NICENESS = 10
_LOGGED_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Work:
    """What a child is to do: a module to run as a program of its own, or a function for a warm child.

    `request` goes to the child as JSON; `memory_bytes` 0 leaves its memory unlimited. `environ` is added to the plain
    environment of a module; of all that a child is given, it alone is never written to the disk.
    """

    request: Mapping[str, Any]
    module: str | None = None
    target: Target | None = None
    memory_bytes: int = 1 << 30
    cpu_seconds: int = 3600
    wall_seconds: float = 7200.0
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)


class Doer(Protocol):
    """How chores of one kind are done."""

    def begin(self, bench: Bench, lease: ChoreLease, folder: Path) -> Work:
        """What the child needs; raises a StudioError whose sentence is told to the person."""

    def store(self, bench: Bench, lease: ChoreLease, folder: Path, result: dict[str, Any]) -> None:
        """Keep the child's files and write the rows, then finish the chore in the same transaction."""


@dataclass(slots=True)
class ChoreSlot:
    """One chore at a time."""

    bench: Bench
    doers: Mapping[str, Doer]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _asked: threading.Event = field(default_factory=threading.Event)

    def drain(self) -> int:
        """Do chores, oldest first, until none waits; returns how many. Whoever comes meanwhile has nothing to do."""
        count = 0
        self._asked.set()
        # Who comes while the other one finds nothing more makes it look once more.
        while self._asked.is_set() and self._lock.acquire(blocking=False):
            try:
                self._asked.clear()
                while not self.bench.stopping.is_set() and (lease := self._claim()) is not None:
                    self._do(lease)
                    count += 1
            finally:
                self._lock.release()
        return count

    def _claim(self) -> ChoreLease | None:
        try:
            with transaction(self.bench.session_factory) as session:
                return chores.claim_next(session, self.bench.owner)
        except DATABASE_AWAY as error:
            log.warning("No work was claimed: the database does not answer (%s).", type(error).__name__)
            return None

    def _do(self, lease: ChoreLease) -> None:
        began = time.monotonic()
        try:
            self._try(lease)
        except ChoreLost as lost:
            log.info("%s: %s", lease.chore_id, lost.message)
        except DATABASE_AWAY as error:
            log.warning("%s: the database does not answer (%s).", lease.chore_id, type(error).__name__)
        except Exception:
            # The task's edge: the chore is done again when its lease is over, three times at most.
            log.exception("%s: the %s failed", lease.chore_id, lease.kind)
        log.info("%s: %s over after %.1f s", lease.chore_id, lease.kind, time.monotonic() - began)

    def _try(self, lease: ChoreLease) -> None:
        doer = self.doers.get(lease.kind)
        if doer is None:
            self._fail(lease, f"This worker does not know work of the kind {lease.kind}; start a newer one.")
            return
        with disk_space_told():
            self.bench.settings.uploads_dir.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="chore-", dir=self.bench.settings.uploads_dir))
        try:
            result = _Child(self.bench, lease, folder).run(doer.begin(self.bench, lease, folder))
            if result is None:
                self._write(lambda session: chores.hand_back(session, lease))
            else:
                doer.store(self.bench, lease, folder, result)
        except StudioError as error:
            if isinstance(error, ChoreLost):
                raise
            self._fail(lease, error.message)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _fail(self, lease: ChoreLease, problem: str) -> None:
        self._write(lambda session: chores.fail(session, lease, problem))

    def _write(self, write: Callable[[Any], None]) -> None:
        with transaction(self.bench.session_factory) as session:
            write(session)


class ChoreFailed(StudioError):
    """The child could not do it; the sentence says why."""

    code = "chore_failed"


class _Child:
    """One child process of a chore, from its start to its report."""

    def __init__(self, bench: Bench, lease: ChoreLease, folder: Path) -> None:
        self._bench = bench
        self._lease = lease
        self._folder = folder
        self._told_at = 0.0

    def run(self, work: Work) -> dict[str, Any] | None:
        """The result that the child reports, or None when this worker stops; raises ChoreFailed and ChoreLost."""
        limits = {"memory_bytes": work.memory_bytes, "cpu_seconds": work.cpu_seconds}
        request = json.dumps({**work.request, **limits})
        with disk_space_told():
            (self._folder / REQUEST_FILE).write_text(request, encoding="utf-8")
        child = self._start(work)
        try:
            code = self._follow(child, time.monotonic() + work.wall_seconds)
        finally:
            end_group(child)
        if code is None:
            return None
        return self._report(code)

    def _start(self, work: Work) -> Child:
        if work.target is not None:
            return self._bench.forkserver.start(work.target, self._folder)
        assert work.module is not None
        return _Program(work.module, self._folder, work.environ)

    def _follow(self, child: Child, deadline: float) -> int | None:
        while (code := child.wait(_POLL_SECONDS)) is None:
            if self._bench.stopping.is_set():
                return None
            if time.monotonic() > deadline:
                raise ChoreFailed("It took too long and was given up. Try it with fewer rows.")
            self._tell()
        return code

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told_at < _TELL_SECONDS:
            return
        self._told_at = now
        progress = _read_json(self._folder / PROGRESS_FILE) or {"phase": "", "done": 0, "total": 0}
        with transaction(self._bench.session_factory) as session:
            chores.report(session, self._lease, **progress)

    def _report(self, code: int) -> dict[str, Any]:
        report = _read_json(self._folder / REPORT_FILE) if code == 0 else None
        if report is None:
            log.error("%s: ended with code %s: %s", self._lease.chore_id, code, self._last_words())
            raise ChoreFailed("It broke off, perhaps for want of memory. The worker's log says more.")
        if report["problem"]:
            raise ChoreFailed(report["problem"])
        result: dict[str, Any] = report["result"]
        return result

    def _last_words(self) -> str:
        path = self._folder / LOG_FILE
        return path.read_bytes()[-_LOGGED_BYTES:].decode(errors="replace") if path.is_file() else ""


class _Program:
    """A module in an interpreter of its own; its standard input stays open for as long as somebody waits for it."""

    def __init__(self, module: str, folder: Path, environ: Mapping[str, str]) -> None:
        with (folder / LOG_FILE).open("ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, "-P", "-s", "-m", module, str(folder)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=folder,
                env={**environ, **_environment()},
                start_new_session=True,
            )
        os.setpriority(os.PRIO_PROCESS, self._popen.pid, _NICENESS)

    @property
    def pid(self) -> int:
        """Also the number of its process group."""
        return self._popen.pid

    def wait(self, seconds: float) -> int | None:
        """Wait for the exit code."""
        try:
            code = self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        return code


def add_chore_task(celery: Celery, look: Callable[[], None]) -> None:
    """Make the task that a hint starts; like every hint it says no more than that there may be something to do."""

    @celery.task(name=CHORE_TASK, ignore_result=True, typing=False)  # type: ignore[untyped-decorator]
    def do_chore(chore_id: object = None, *_: object, **__: object) -> None:
        if isinstance(chore_id, str) and ID_PATTERN.fullmatch(chore_id):
            look()
        else:
            log.warning("A message without a chore's id was dropped.")


def _environment() -> dict[str, str]:
    """Only what Python needs: no setting and no secret of the worker reaches the child."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    source = str(Path(studio.__file__).parents[1])
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    return kept | threads | {"LANG": "C.UTF-8", "PYTHONPATH": source}


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found
