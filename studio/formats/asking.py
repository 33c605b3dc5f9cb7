"""Runs the checking child on one file, from its start to its report; the asking process parses nothing itself."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import studio
from studio.formats.report import REPORT_FILE, Report, Request

_LOG = logging.getLogger(__name__)
_STDERR_FILE = "stderr.txt"
_STDERR_LOGGED_BYTES = 4000
_WATCHED_SECONDS = 0.2
_ENDED_BY = {
    signal.SIGXCPU: "it took too long",
    signal.SIGKILL: "it took too long or too much memory",
}


def ask_child(request: Request, watch: Callable[[], None] | None = None) -> Report:
    """Check a file in a child process; one that breaks off is reported as `given_up`.

    `watch` is called a few times a second while the child works.
    """
    with (request.folder / _STDERR_FILE).open("wb") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-P", "-s", "-m", "studio.formats"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            cwd=request.folder,
            env=_environment(),
            start_new_session=True,
        )
        with child:
            try:
                code = _converse(child, request, watch)
            finally:
                child.kill()
    report = request.folder / REPORT_FILE
    if code != 0 or not report.is_file():
        return _given_up(code, request)
    return Report(**json.loads(report.read_text(encoding="ascii")))


def _converse(child: "subprocess.Popen[bytes]", request: Request, watch: Callable[[], None] | None) -> int:
    """Send the request and wait. The pipe stays open: its end tells the child that nobody waits any more."""
    assert child.stdin is not None
    deadline = time.monotonic() + request.limits.wall_seconds
    try:
        child.stdin.write(json.dumps(request.to_json()).encode() + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        watch = None
    while (left := deadline - time.monotonic()) > 0:
        try:
            return child.wait(left if watch is None else min(left, _WATCHED_SECONDS))
        except subprocess.TimeoutExpired:
            if watch is not None:
                watch()
    return -signal.SIGKILL


def _environment() -> dict[str, str]:
    """Only what Python needs: no setting and no secret of the asking process reaches the child."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    source = str(Path(studio.__file__).parents[1])
    arrow = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return kept | arrow | {"LANG": "C.UTF-8", "PYTHONPATH": source}


def _given_up(code: int, request: Request) -> Report:
    stderr = (request.folder / _STDERR_FILE).read_bytes()[-_STDERR_LOGGED_BYTES:]
    _LOG.error("checking a file ended with code %s: %s", code, stderr.decode(errors="replace"))
    reason = _ENDED_BY.get(signal.Signals(-code), "it broke off") if code < 0 else "it broke off"
    sentence = f"Reading the file was given up because {reason}. Upload it in smaller parts, or as JSON Lines."
    return Report(outcome="given_up", message=sentence)
