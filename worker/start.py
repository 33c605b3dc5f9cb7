"""Starts processes whose end a supervisor waits for: trainers from a warm forkserver, and separate programs.

Measured on two CPU cores: importing the training stack takes 10 to 13 s, a child of the warm forkserver starts in
0.03 s. Pool children of Celery are daemonic and could not start DataLoader workers; these children can.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import Any, Protocol

from studio.runs.folders import LOG_FILE

Target = Callable[[Path], int]
PRELOAD = "worker.preload"
_NICENESS = 5
_PR_SET_PDEATHSIG = 1


class Child(Protocol):
    """A process with a session of its own."""

    @property
    def pid(self) -> int:
        """Also the number of its process group."""

    def wait(self, seconds: float) -> int | None:
        """The exit code (negative: the signal), or None while it still runs after `seconds`."""


class Forkserver:
    """The one forkserver of this interpreter; `preload` is imported in it once, before any trainer."""

    def __init__(self, preload: Sequence[str] = (PRELOAD,)) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["worker.stays", *preload])
        self._preload = tuple(preload)
        self.warm = threading.Event()
        self.failed = threading.Event()

    def warm_up(self, log_folder: Path) -> float:
        """Start the server and prove it by a child that needs the preloaded modules; returns the seconds.

        Raises RuntimeError when they cannot be imported: the forkserver itself swallows ImportError.
        """
        began = time.monotonic()
        log_folder.mkdir(parents=True, exist_ok=True)
        proof = self._context.Process(target=_prove, args=(log_folder / "warm-up.log", self._preload))
        proof.start()
        proof.join()
        if proof.exitcode != 0:
            self.failed.set()
            raise RuntimeError(
                f"The training stack cannot be imported (exit code {proof.exitcode}); "
                f"see {log_folder / 'warm-up.log'}, then install the worker extra again: pip install tunewright[worker]"
            )
        self.warm.set()
        return time.monotonic() - began

    def start(self, target: Target, folder: Path, *, gpu: str | None = None) -> "ForkedChild":
        """Run `target(folder)` in a fresh child; its exit code is what `target` returns."""
        trainer = self._context.Process(target=_run, args=(target, folder, gpu), name="trainer")
        trainer.start()
        return ForkedChild(trainer)


class ForkedChild:
    """A child of the forkserver."""

    def __init__(self, trainer: multiprocessing.process.BaseProcess) -> None:
        self._trainer = trainer

    @property
    def pid(self) -> int:
        """Also the number of its process group."""
        assert self._trainer.pid is not None
        return self._trainer.pid

    def wait(self, seconds: float) -> int | None:
        """Wait on the sentinel, so that the end is noticed at once."""
        connection.wait([self._trainer.sentinel], timeout=seconds)
        return self._trainer.exitcode


class Program:
    """A separate Python module with `input_text` on its standard input, where secrets may travel."""

    def __init__(self, module: str, folder: Path, *, input_text: str, environ: Mapping[str, str]) -> None:
        with (folder / LOG_FILE).open("ab") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", module, str(folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=dict(environ),
            )
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._popen.stdin as stream:
            stream.write(input_text.encode())

    @property
    def pid(self) -> int:
        """Also the number of its process group."""
        return self._popen.pid

    def wait(self, seconds: float) -> int | None:
        """Wait for the exit code."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


def end_group(child: Child) -> None:
    """Kill a child and everything it started; returns when the child is gone."""
    # Also after its end: DataLoader workers live in its group.
    _kill_group(child)
    while child.wait(1.0) is None:
        _kill_group(child)


def tell(child: Child, number: int) -> None:
    """Send a signal to the child alone: what it started would only die of it."""
    if child.wait(0) is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _kill_group(child: Child) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        # Before its setsid the child is in the forkserver's group.
        tell(child, signal.SIGKILL)
    except PermissionError:
        return


def _run(target: Target, folder: Path, gpu: str | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setsid()
    die_with_parent()
    _follow_supervisor()
    _write_output_to(folder / LOG_FILE)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        # The numbering of nvidia-smi and NVML; CUDA's own puts the fastest first.
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    os.nice(_NICENESS)
    sys.exit(target(folder))


def _prove(log: Path, modules: Sequence[str]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()
    _write_output_to(log)
    for name in modules:
        __import__(name)


def _follow_supervisor() -> None:
    """End the whole group once the supervisor is gone, however it went.

    Each child inherits the pipe that keeps the forkserver alive, so it is closed here: else a killed supervisor
    would leave the forkserver running for as long as its trainer does.
    """
    server: Any = forkserver._forkserver
    if server._forkserver_alive_fd is not None:
        os.close(server._forkserver_alive_fd)
        server._forkserver_alive_fd = None
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_group_after, args=(parent.sentinel,), daemon=True).start()


def _end_group_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os.killpg(0, signal.SIGKILL)


def _write_output_to(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
