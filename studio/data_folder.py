"""The data folder: made private, checked for room, and held by one studio at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.errors import StartupError
from studio.settings import Settings
from studio.storage import free_bytes

# The database, the logs and one small adapter need this much; a run checks by itself what it needs.
MINIMUM_FREE_BYTES = 500 * 10**6


def prepare(settings: Settings, *, minimum_free_bytes: int = MINIMUM_FREE_BYTES) -> None:
    """Make the data folder and check it; raises StartupError when it cannot be written or the disk is full."""
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings.logs_dir.mkdir(exist_ok=True)
        probe = folder / ".writable"
        probe.write_bytes(b"1")
        probe.unlink()
    except OSError as error:
        raise StartupError(
            f"The data folder {folder} cannot be written ({error.strerror}). Mend its permissions, or name another "
            "one with TUNEWRIGHT_DATA_DIR."
        ) from error
    check_room(folder, minimum_free_bytes)


def check_room(folder: Path, minimum_free_bytes: int = MINIMUM_FREE_BYTES) -> None:
    """Raise StartupError when the disk of `folder` is nearly full."""
    free = free_bytes(folder)
    if free < minimum_free_bytes:
        raise StartupError(
            f"The disk of {folder} is full: {free / 1e6:.0f} MB are free, {minimum_free_bytes / 1e6:.0f} MB are "
            "needed. Free some space, or name another folder with TUNEWRIGHT_DATA_DIR."
        )


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel frees it on any death. Raises StartupError when another studio holds it."""
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise StartupError(
                f"The data folder {folder} is in use by process {holder}. Stop that studio, or name another folder "
                "with TUNEWRIGHT_DATA_DIR."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
