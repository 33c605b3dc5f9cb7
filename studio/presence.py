"""Who lives, by locks: each worker holds a lock file in the data folder, which the kernel frees on any death."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

FOLDER = "workers"
_SUFFIX = ".lock"


@contextlib.contextmanager
def present(data_dir: Path, owner: str) -> Iterator[None]:
    """Hold the owner's lock for as long as the body runs; no child inherits it over an exec."""
    folder = data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{owner}{_SUFFIX}"
    # Locked before it has its name: a file that can be found and is free belongs to a dead one.
    unnamed = folder / f".{owner}.new"
    descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        unnamed.rename(path)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


@contextlib.contextmanager
def dead_owners(data_dir: Path) -> Iterator[tuple[str, ...]]:
    """Owners that died without unlocking; once the body has passed, nothing reminds of them.

    While the body runs nobody else is given the same ones.
    """
    with contextlib.ExitStack() as held:
        paths = [path for path in sorted((data_dir / FOLDER).glob(f"*{_SUFFIX}")) if _lock(path, held)]
        yield tuple(path.name.removesuffix(_SUFFIX) for path in paths)
        for path in paths:
            path.unlink(missing_ok=True)


def _lock(path: Path, held: contextlib.ExitStack) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    held.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
