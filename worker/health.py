"""Whether the worker lives: a file that it touches every 10 s. `python -m worker.health` is the container's check."""

import sys
import time
from pathlib import Path

from studio.settings import Settings

HEARTBEAT_FILE = "worker.heartbeat"
BEAT_SECONDS = 10.0
STALE_SECONDS = 30.0


def beat(data_dir: Path) -> None:
    """Leave a sign of life."""
    (data_dir / HEARTBEAT_FILE).touch()


def is_alive(data_dir: Path) -> bool:
    """Whether the last sign is younger than three beats."""
    try:
        age = time.time() - (data_dir / HEARTBEAT_FILE).stat().st_mtime
    except FileNotFoundError:
        return False
    return age < STALE_SECONDS


if __name__ == "__main__":
    sys.exit(0 if is_alive(Settings().data_dir) else 1)
