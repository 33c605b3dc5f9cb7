"""How far a file has been read: told by the checking child through a small file, for whoever shows it."""

import json
import time
from collections.abc import Callable
from pathlib import Path

Tell = Callable[[int, int], None]
PROGRESS_FILE = "progress.json"
_TOLD_EVERY_SECONDS = 0.2


def say_nothing(done: int, total: int) -> None:
    """Where nobody looks."""


class Teller:
    """Writes the bytes that were read, and all bytes of the file, a few times a second at most."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / PROGRESS_FILE
        self._told_at = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Tell it, unless it was told just now."""
        now = time.monotonic()
        if now - self._told_at < _TOLD_EVERY_SECONDS:
            return
        self._told_at = now
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps([done, total]), encoding="ascii")
        temporary.replace(self._path)


def read_told(folder: Path) -> tuple[int, int] | None:
    """What was told last; None before the first time."""
    try:
        done, total = json.loads((folder / PROGRESS_FILE).read_bytes())
    except FileNotFoundError:
        return None
    return done, total
