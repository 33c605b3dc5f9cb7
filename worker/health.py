"""Whether a worker lives: a file that it touches every 10 s. `python -m worker.health`, or with `cpu` for the worker of
the CPU queue, is the container's check."""

import sys
import time
from pathlib import Path

from studio.settings import Settings

HEARTBEAT_FILE = "worker.heartbeat"
CPU_HEARTBEAT_FILE = "worker-cpu.heartbeat"
STALE_SECONDS = 30.0


def beat(data_dir: Path, name: str = HEARTBEAT_FILE) -> None:
    """Leave a sign of life."""
    (data_dir / name).touch()


def is_alive(data_dir: Path, name: str = HEARTBEAT_FILE) -> bool:
    """Whether the last sign is younger than three beats."""
    try:
        age = time.time() - (data_dir / name).stat().st_mtime
    except FileNotFoundError:
        return False
    return age < STALE_SECONDS


if __name__ == "__main__":
    asked = CPU_HEARTBEAT_FILE if sys.argv[1:] == ["cpu"] else HEARTBEAT_FILE
    sys.exit(0 if is_alive(Settings().data_dir, asked) else 1)
