"""Shared by benchmarks of the website alone: `python -m app` on a migrated, empty database, and its memory."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks._studio import ROOT
from studio.listening import listen
from studio.migrate import upgrade
from studio.settings import Settings


@dataclass(frozen=True, slots=True)
class Website:
    """A process that listens."""

    url: str
    pid: int
    seconds_to_listening: float
    settings: Settings

    def memory_mb(self) -> float:
        """Resident memory, in units of 10^6 bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise RuntimeError("the website ended")

    def cpu_seconds(self) -> float:
        """Processor time spent so far, which other programs of a busy machine change less than the clock's."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def maps(self, name: str) -> bool:
        """Whether a library whose path holds `name` is loaded."""
        return name in Path(f"/proc/{self.pid}/maps").read_text(encoding="utf-8")

    def get(self, path: str) -> bytes:
        """The body of a page."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return bytes(answer.read())


@contextlib.contextmanager
def running_website(settings: Settings | None = None) -> Iterator[Website]:
    """Run it on a free port until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="tunewright-bench-") as folder:
        settings = settings or Settings(data_dir=Path(folder), port=free_port())
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        upgrade(settings.sqlalchemy_url)
        environment = {**os.environ, "TUNEWRIGHT_DATA_DIR": str(settings.data_dir)}
        environment["TUNEWRIGHT_LOG_LEVEL"] = "WARNING"
        environment["TUNEWRIGHT_PORT"] = str(settings.port)
        for name in ("database_url", "redis_url"):
            if value := getattr(settings, name):
                environment[f"TUNEWRIGHT_{name.upper()}"] = value
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-P", "-m", "app"], cwd=ROOT, env=environment)
        try:
            yield Website(
                url=f"http://127.0.0.1:{settings.port}",
                pid=process.pid,
                seconds_to_listening=_await_answer(settings.port, process) - began,
                settings=settings,
            )
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with contextlib.closing(listen(Settings(port=0))) as listening:
        return int(listening.getsockname()[1])


def _await_answer(port: int, process: "subprocess.Popen[bytes]") -> float:
    """The moment of the first answer: a connection alone may wait in the backlog of a socket nobody serves yet."""
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if connection.recv(12) == b"HTTP/1.1 200":
                return time.perf_counter()
        time.sleep(0.005)
    raise RuntimeError("the website ended before it answered")
