"""One supervised child process: started, waited for, started again when it ends, stopped with a time limit."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from studio.errors import StartupError

POLL_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30
# A child that lasted this long was healthy: its next end counts as the first.
HEALTHY_SECONDS = 60
FAILURES_TOLD = 5
MOMENT_SECONDS = 3.0
LOG_LIMIT_BYTES = 20 * 10**6
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Part:
    """What to start: `ready` says when it answers, `stop_seconds` how long it may take to end."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    ready: Callable[[], Awaitable[bool]]
    ready_seconds: float = 60
    stop_seconds: float = 10
    stop_note: str = ""
    """Said when its end takes longer than a moment."""
    pass_fds: tuple[int, ...] = ()


class Child:
    """The process of one part. Uses no threads, so that forking stays safe."""

    def __init__(self, part: Part, say: Callable[[str], None]) -> None:
        self.part = part
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    def start(self) -> None:
        """Start the process in a session of its own, with its output in its log."""
        self._started = time.monotonic()
        with _open_log(self.part.log) as log:
            self._process = subprocess.Popen(
                self.part.command,
                env=dict(self.part.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self.part.pass_fds,
                preexec_fn=_tied_to(os.getpid()),
            )

    async def until_ready(self) -> float:
        """Wait until it answers and return the seconds it took; raises StartupError when it ends or is too slow."""
        while not await self._answers():
            if self._ended():
                raise StartupError(f"The {self.part.name} did not start. {self._last_words()}")
            if time.monotonic() - self._started > self.part.ready_seconds:
                raise StartupError(
                    f"The {self.part.name} did not answer within {self.part.ready_seconds:.0f} s. {self._last_words()}"
                )
            await asyncio.sleep(POLL_SECONDS)
        return time.monotonic() - self._started

    async def _answers(self) -> bool:
        """Ask once; a process that ended is not waited for, though its socket may still take connections."""
        asking = asyncio.ensure_future(self.part.ready())
        while not asking.done() and not self._ended():
            await asyncio.wait({asking}, timeout=POLL_SECONDS)
        return asking.result() if asking.done() else not asking.cancel()

    async def keep_running(self) -> None:
        """Start it again whenever it ends, after 1, 2, 4 ... 30 s; returns only by cancellation."""
        failures = 0
        while True:
            while not self._ended():
                await asyncio.sleep(POLL_SECONDS)
            failures = 1 if time.monotonic() - self._started > HEALTHY_SECONDS else failures + 1
            pause = min(2 ** (failures - 1), LONGEST_PAUSE_SECONDS)
            self._say(f"The {self.part.name} ended ({self._end_in_words()}); it starts again in {pause} s.")
            if failures == FAILURES_TOLD:
                self._say(f"It has ended {failures} times in a row. {self._last_words()}")
            await asyncio.sleep(pause)
            try:
                self.start()
            except OSError as error:
                self._say(f"The {self.part.name} cannot be started: {error.strerror}.")

    async def stop(self) -> None:
        """Ask it to end, then make it; nothing of its process group is left."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await self._until_ended(min(MOMENT_SECONDS, self.part.stop_seconds))
        if not self._ended():
            if self.part.stop_note:
                self._say(self.part.stop_note)
            await self._until_ended(self.part.stop_seconds - MOMENT_SECONDS)
        self.kill()
        process.wait()

    async def _until_ended(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._ended() and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS / 5)

    def kill(self) -> None:
        """End its whole process group at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _end_in_words(self) -> str:
        code = self._process.returncode if self._process else 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _last_words(self) -> str:
        with self.part.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4000))
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        last = f'Its last words: "{lines[-1][:300]}" ' if lines else ""
        return f"{last}Read {self.part.log}"


def _open_log(path: Path) -> BinaryIO:
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".old.log"))
    return path.open("ab")


def _tied_to(parent: int) -> Callable[[], None] | None:
    """A step between fork and exec that makes the kernel kill the child when the supervisor dies, however it dies."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return tie
