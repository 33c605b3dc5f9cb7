"""The child's side of a chore: reads a request, tells how far it is, leaves a report; standard library only.

The folder is the whole conversation: `request.json` in, `progress.json` while it works, `report.json` and whatever
files the kind names at the end.
"""

import errno
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REQUEST_FILE = "request.json"
PROGRESS_FILE = "progress.json"
REPORT_FILE = "report.json"
_TOLD_EVERY_SECONDS = 0.2
_DISK_FULL = "The disk is full. Free some space in the data folder and try again."
_TOO_MUCH_MEMORY = "It needed more memory than it is allowed to take."


class CannotDo(Exception):
    """The chore cannot be done, for a reason that a person is told."""


class Progress:
    """Tells how far a chore is, a few times a second at most."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / PROGRESS_FILE
        self._told_at = 0.0

    def tell(self, phase: str, done: int, total: int) -> None:
        """`done` of `total` in units of the phase; the end of a phase is always told."""
        now = time.monotonic()
        if now - self._told_at < _TOLD_EVERY_SECONDS and done != total:
            return
        self._told_at = now
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"phase": phase, "done": done, "total": total}), encoding="ascii")
        temporary.replace(self._path)


def run_child(do: Callable[[dict[str, Any], Path, Progress], dict[str, Any]], folder: Path) -> int:
    """Do the chore whose request lies in `folder`; the exit code is 0 once there is a report of any kind."""
    request = json.loads((folder / REQUEST_FILE).read_text(encoding="utf-8"))
    _limit(request["memory_bytes"], request["cpu_seconds"])
    try:
        report = {"problem": "", "result": do(request, folder, Progress(folder))}
    except CannotDo as reason:
        report = {"problem": str(reason)}
    except MemoryError:
        report = {"problem": _TOO_MUCH_MEMORY}
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        report = {"problem": _DISK_FULL}
    (folder / REPORT_FILE).write_text(json.dumps(report), encoding="ascii")
    return 0


def end_with_parent() -> None:
    """End this process as soon as its standard input does: nobody waits for it any more."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Bound memory and time before the first row is read; 0 bytes leave the memory alone."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the worker's clock still ends the child.
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
