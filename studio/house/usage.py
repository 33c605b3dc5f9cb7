"""What the data folder holds, by kind. Walking it costs, so the answer is kept for half a minute."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from studio.db import SessionFactory, reading
from studio.settings import Settings
from studio.storage import free_bytes

KEPT_SECONDS = 30.0
KINDS = (
    "datasets",
    "findings",
    "tokens",
    "tokenizers",
    "adapters",
    "checkpoints",
    "base_models",
    "logs",
    "database",
    "other",
)
# By the first folders of a path within the data folder.
_KINDS = {
    ("files", "datasets"): "datasets",
    ("files", "originals"): "datasets",
    ("files", "origins"): "datasets",
    ("files", "splits"): "datasets",
    ("files", "adapters"): "adapters",
    ("models",): "base_models",
    ("cache", "checkups"): "findings",
    ("cache", "mendings"): "findings",
    ("cache", "diffs"): "findings",
    ("cache", "profiles"): "tokens",
    ("cache", "tokens"): "tokens",
    ("cache", "tokenizers"): "tokenizers",
    ("logs",): "logs",
}
_WORKING_FOLDERS = {"checkpoints", "prepared", "export"}


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes by kind, see `KINDS`, and what is free."""

    size_bytes: dict[str, int]
    free_bytes: int

    @property
    def total_bytes(self) -> int:
        """Of all kinds."""
        return sum(self.size_bytes.values())

    @property
    def largest_first(self) -> list[tuple[str, int]]:
        """Kinds that hold something."""
        held = [(kind, size) for kind, size in self.size_bytes.items() if size]
        return sorted(held, key=lambda one: one[1], reverse=True)


class UsageMeter:
    """Measures at most twice a minute, whoever asks."""

    def __init__(self, settings: Settings, session_factory: SessionFactory) -> None:
        self._settings = settings
        self._session_factory = session_factory
        self._lock = threading.Lock()
        self._measured: Usage | None = None
        self._until = 0.0

    def read(self) -> Usage:
        """The usage of now, or of half a minute ago at most."""
        with self._lock:
            if self._measured is None or time.monotonic() >= self._until:
                self._measured = measure(self._settings, self._session_factory)
                self._until = time.monotonic() + KEPT_SECONDS
            return self._measured


def measure(settings: Settings, session_factory: SessionFactory) -> Usage:
    """Walk the data folder; a file with several links counts once."""
    sizes = dict.fromkeys(KINDS, 0)
    counted: set[tuple[int, int]] = set()
    for parts, status in _files(settings.data_dir):
        inode = (status.st_dev, status.st_ino)
        if status.st_nlink == 1 or inode not in counted:
            counted.add(inode)
            sizes[_kind(parts)] += status.st_size
    sizes["database"] += _server_bytes(session_factory)
    return Usage(sizes, free_bytes(settings.data_dir))


def _files(root: Path) -> Iterator[tuple[tuple[str, ...], os.stat_result]]:
    """Path within the root and status of each file; what vanishes meanwhile or may not be read is left out."""
    for parent, _, names in os.walk(root):
        parts = Path(parent).relative_to(root).parts
        for name in names:
            try:
                yield (*parts, name), os.lstat(os.path.join(parent, name))  # noqa: PTH118 - twice as fast as Path
            except OSError:
                continue


def _kind(parts: tuple[str, ...]) -> str:
    if parts[0] == "runs":
        return "checkpoints" if _WORKING_FOLDERS & set(parts[2:4]) else "logs"
    if parts[0].startswith("tunewright.sqlite"):
        return "database"
    return _KINDS.get(parts[:2]) or _KINDS.get(parts[:1], "other")


def _server_bytes(session_factory: SessionFactory) -> int:
    """A PostgreSQL database lies elsewhere; SQLite's file was counted."""
    engine: Engine = session_factory.kw["bind"]
    if engine.dialect.name != "postgresql":
        return 0
    with reading(session_factory) as session:
        return int(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)
