"""Shared by benchmarks: a whole studio in a temporary folder, a browser on it, and results with their circumstances."""

import contextlib
import json
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from studio.demo_client import Client

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True, slots=True)
class RunningStudio:
    """Where a studio answers and keeps its files."""

    url: str
    data_dir: Path

    def await_worker(self, seconds: float = 120) -> None:
        """Wait until the worker has imported the training stack."""
        deadline = time.monotonic() + seconds
        log = self.data_dir / "logs" / "worker.log"
        while time.monotonic() < deadline:
            if log.is_file() and "worker ready" in log.read_text(encoding="utf-8", errors="replace"):
                return
            time.sleep(0.05)
        raise TimeoutError("the worker did not become warm")

    def held_seconds(self, run_id: str) -> float:
        """How long a run has held the worker, by its stints."""
        with sqlite3.connect(self.data_dir / "tunewright.sqlite") as rows:
            query = 'select sum("until" - began) from stints where run_id = ?'
            return float(rows.execute(query, [run_id]).fetchone()[0])


@contextlib.contextmanager
def running_studio() -> Iterator[RunningStudio]:
    """`tunewright up` on a free port; ended in order afterwards."""
    with tempfile.TemporaryDirectory(prefix="tunewright-bench-") as folder:
        data_dir = Path(folder) / "data"
        plain = {name: value for name, value in os.environ.items() if not name.startswith("TUNEWRIGHT_")}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "studio.cli", "up"],
            cwd=ROOT,
            env={**plain, "TUNEWRIGHT_DATA_DIR": str(data_dir), "TUNEWRIGHT_PORT": "0"},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield RunningStudio(_address(process), data_dir)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def await_end(client: Client, run_id: str, seconds: float = 600) -> dict[str, Any]:
    """The run once it has succeeded; raises RuntimeError when it ended otherwise."""
    deadline = time.monotonic() + seconds
    while not (seen := client.get(f"/api/runs/{run_id}"))["is_over"]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"run {run_id} did not end")
        time.sleep(0.5)
    if seen["status"] != "succeeded":
        raise RuntimeError(seen["failure_reason"])
    return dict(seen)


def write_result(name: str, figures: dict[str, Any]) -> None:
    """Print the figures and keep them with machine, versions and commit."""
    result = {"benchmark": name, **figures, **_circumstances()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def _circumstances() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = ("torch", "transformers", "peft", "trl", "bitsandbytes", "fastapi", "sqlalchemy", "celery")
    return {
        "machine": {"processor": _processor(), "cores": len(os.sched_getaffinity(0)), "system": platform.system()},
        "load_average": round(os.getloadavg()[0], 2),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
        "commit": commit.stdout.strip(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        for word in line.split():
            if word.startswith("http://"):
                return word.rstrip(".,;")
    raise RuntimeError("the studio did not start")
