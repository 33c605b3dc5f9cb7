"""Keeps what can be made again within a bound: what was not used for longest goes first, what is in use stays."""

import logging
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio.chores import Chore
from studio.datasets import DatasetVersion, checkup_key
from studio.db import SessionFactory, reading
from studio.settings import Settings

log = logging.getLogger(__name__)

# Whoever looks something up needs it for seconds; a file that is being read stays whole for its reader anyway.
SPARED_SECONDS = 3600.0
# Tokenised rows are texts, perhaps of a dataset that is gone, which nothing here can tell.
TOKENS_KEPT_SECONDS = 30 * 86_400.0
_TOKENS = "tokens"
_REMOVED = ".removed-"


@dataclass(slots=True)
class _Unit:
    """What only together is of use: a folder, or the files of one name with several endings."""

    kind: str
    name: str
    paths: list[Path] = field(default_factory=list)
    size_bytes: int = 0
    used_at: float = 0.0


def prune_caches(settings: Settings, session_factory: SessionFactory, *, spared_seconds: float = SPARED_SECONDS) -> int:
    """Remove from the cache folder until it is within its bound, and return how many bytes went.

    Spared is what was used within `spared_seconds`, and what work that is not over reads. Tokenised rows that nobody
    used for a month go anyway.
    """
    units = sorted(_units(settings.cache_dir), key=lambda unit: unit.used_at)
    total, went = sum(unit.size_bytes for unit in units), 0
    with reading(session_factory) as session:
        needed = _in_use(session)
    now = time.time()
    for unit in units:
        is_old = unit.kind == _TOKENS and unit.used_at < now - TOKENS_KEPT_SECONDS
        is_too_much = total - went > settings.cache_limit_bytes and unit.used_at <= now - spared_seconds
        if (is_old or is_too_much) and unit.name not in needed:
            _remove(unit)
            went += unit.size_bytes
    if went:
        log.info("removed %d bytes from the cache of %d", went, total)
    return went


def _units(cache: Path) -> Iterator[_Unit]:
    """Each folder of the cache holds one kind of thing."""
    for kind in sorted(path for path in cache.glob("*") if path.is_dir()):
        found: dict[str, _Unit] = {}
        for path in sorted(kind.iterdir()):
            if path.name.startswith(_REMOVED):
                shutil.rmtree(path, ignore_errors=True)
                continue
            name = path.name if path.is_dir() else path.name.partition(".")[0]
            unit = found.setdefault(name, _Unit(kind.name, name))
            unit.paths.append(path)
            _measure(unit, path)
        yield from found.values()


def _measure(unit: _Unit, path: Path) -> None:
    """A file was used when it was written or, as far as the disk tells, read last."""
    for one in [path, *(path.rglob("*") if path.is_dir() else ())]:
        try:
            status = one.lstat()
        except OSError:
            continue
        is_folder = stat.S_ISDIR(status.st_mode)
        unit.size_bytes += 0 if is_folder else status.st_size
        # Folders are read by whoever walks them, as here.
        unit.used_at = max(unit.used_at, status.st_mtime, 0.0 if is_folder else status.st_atime)


def _in_use(session: Session) -> set[str]:
    """The names of what work that is not over reads or is about to write."""
    going_on = session.scalars(select(Chore).where(Chore.status.in_(("queued", "running")))).all()
    versions = {chore.version_id for chore in going_on if chore.version_id}
    named = {chore.key for chore in going_on}
    found = session.scalars(select(DatasetVersion).where(DatasetVersion.id.in_(versions)))
    named |= {checkup_key(version) for version in found}
    models = {str(chore.params.get("base_model", "")) for chore in going_on}
    return named | {f"models--{model.replace('/', '--')}" for model in models}


def _remove(unit: _Unit) -> None:
    """A folder goes at once, so that nobody finds half of it."""
    for path in unit.paths:
        try:
            if path.is_dir():
                gone = path.rename(path.with_name(f"{_REMOVED}{uuid.uuid4().hex}"))
                shutil.rmtree(gone, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s cannot be removed from the cache: %s", path.name, os.strerror(error.errno or 0))
