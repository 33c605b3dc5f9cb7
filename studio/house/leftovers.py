"""Files and folders that no row names: left by a crash, or by what is still at work, which is why age decides."""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio.chores import Chore
from studio.datasets import DatasetVersion
from studio.db import reading
from studio.house.findings import Finding, House
from studio.house.references import is_named, named_checkpoints, named_files
from studio.ids import ID_PATTERN
from studio.runs import TERMINAL, Run
from studio.runs.folders import CHECKPOINTS

# Files come before rows, and a worker may be without the database for half an hour: what is younger may be in use.
SPARED_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something to remove; `remove` asks the rows once more and says whether it is gone."""

    path: Path
    what: str
    size_bytes: int
    remove: Callable[[], bool]


def find_leftovers(house: House, spared_seconds: float = SPARED_SECONDS) -> Iterator[Leftover]:
    """Everything that no row names and nothing has touched for so long. The disk is read before the rows."""
    limit = time.time() - spared_seconds
    for found in (_stored_files, _unknown_runs, _in_runs, _uploads, _cached):
        yield from (left for left in found(house) if _last_touched(left.path) <= limit)


def leftover_findings(house: House, spared_seconds: float = SPARED_SECONDS) -> Iterator[Finding]:
    """The same as findings."""
    for left in find_leftovers(house, spared_seconds):
        sentence = f"{left.what}: {house.shown(left.path)} ({left.size_bytes:,} bytes)."
        yield Finding(sentence, "It can be removed.", left.remove)


def _stored_files(house: House) -> Iterator[Leftover]:
    root = house.settings.storage_dir
    keys = [path.relative_to(root).as_posix() for path in _files_below(root)]
    with reading(house.session_factory) as session:
        named = {file.key for file in named_files(session)}
    for key in keys:
        if key not in named:
            yield _leftover(root / key, "No row names this file", partial(_discard, house, key))


def _discard(house: House, key: str) -> bool:
    def named() -> bool:
        with reading(house.session_factory) as session:
            return is_named(session, key)

    return house.storage.discard(key, named)


def _unknown_runs(house: House) -> Iterator[Leftover]:
    folders = [path for path in _entries(house.settings.runs_dir) if ID_PATTERN.fullmatch(path.name)]
    with reading(house.session_factory) as session:
        known = set(session.scalars(select(Run.id)))
    for folder in folders:
        if folder.name not in known:
            remove = partial(_remove_unless, house, folder, partial(_has_run, run_id=folder.name))
            yield _leftover(folder, "No row names the run of this folder", remove)


def _in_runs(house: House) -> Iterator[Leftover]:
    """What a save that was cut short left, and what only a run that goes on needs."""
    entries = [(path, path.parents[2].name) for path in house.settings.runs_dir.glob(f"*/attempt-*/{CHECKPOINTS}/*")]
    working = [*house.settings.runs_dir.glob("*/attempt-*/export"), *house.settings.runs_dir.glob("*/prepared")]
    tokenised = [*house.settings.runs_dir.glob("*/prepared/tmp-*")]
    with reading(house.session_factory) as session:
        over = set(session.scalars(select(Run.id).where(Run.status.in_(TERMINAL))))
        going_on = set(session.scalars(select(Run.id).where(Run.status.not_in(TERMINAL))))
        named = _checkpoint_folders(house, session)
    for path, run_id in entries:
        if path not in named and (run_id in over or (run_id in going_on and path.name.startswith(("tmp-", "step-")))):
            remove = partial(_remove_unless, house, path, partial(_has_checkpoint, house=house, folder=path))
            yield _leftover(path, "No row names this checkpoint", remove)
    for path in working:
        if path.relative_to(house.settings.runs_dir).parts[0] in over:
            yield _leftover(
                path, "The run of this working folder is over", partial(_remove_unless, house, path, _never)
            )
    for path in tokenised:
        if path.parents[1].name in going_on:
            yield _leftover(path, "This file was never finished", partial(_remove_unless, house, path, _never))


def _uploads(house: House) -> Iterator[Leftover]:
    for path in _entries(house.settings.uploads_dir):
        yield _leftover(path, "This upload was never finished", partial(_remove_unless, house, path, _never))


def _cached(house: House) -> Iterator[Leftover]:
    """What was found in versions that are gone: it may hold texts of their rows."""
    kinds = (("checkups", _has_chore), ("mendings", _has_chore), ("profiles", _has_chore), ("diffs", _has_versions))
    for kind, is_known in kinds:
        for folder in _entries(house.settings.cache_dir / kind):
            needed = partial(is_known, name=folder.name)
            with reading(house.session_factory) as session:
                if needed(session):
                    continue
            yield _leftover(
                folder, "The dataset of this folder is gone", partial(_remove_unless, house, folder, needed)
            )


def _checkpoint_folders(house: House, session: Session) -> set[Path]:
    return {checkpoint.folder(house.settings.runs_dir) for checkpoint in named_checkpoints(session)}


def _remove_unless(house: House, path: Path, is_needed: Callable[[Session], bool]) -> bool:
    with reading(house.session_factory) as session:
        if is_needed(session):
            return False
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return not path.exists()


def _has_run(session: Session, run_id: str) -> bool:
    return session.get(Run, run_id) is not None


def _has_checkpoint(session: Session, house: House, folder: Path) -> bool:
    return folder in _checkpoint_folders(house, session)


def _has_chore(session: Session, name: str) -> bool:
    return session.scalar(select(Chore.id).where(Chore.key == name).limit(1)) is not None


def _has_versions(session: Session, name: str) -> bool:
    """The folder of a difference names both versions."""
    wanted = set(name.split("."))
    known = session.scalars(select(DatasetVersion.id).where(DatasetVersion.id.in_(wanted)))
    return wanted == set(known)


def _never(session: Session) -> bool:
    return False


def _leftover(path: Path, what: str, remove: Callable[[], bool]) -> Leftover:
    return Leftover(path, what, sum(_sizes(path)), remove)


def _sizes(path: Path) -> Iterator[int]:
    for file in _files_below(path) if path.is_dir() else [path]:
        with contextlib.suppress(OSError):
            yield file.stat().st_size


def _last_touched(path: Path) -> float:
    """The newest change of it or of anything below; a link or a rename counts too, and what is gone is new."""
    newest = 0.0
    for one in [path, *(path.rglob("*") if path.is_dir() else ())]:
        try:
            status = one.lstat()
        except OSError:
            return float("inf")
        newest = max(newest, status.st_mtime, status.st_ctime)
    return newest


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _files_below(folder: Path) -> Iterator[Path]:
    """Folders that vanish meanwhile are skipped."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in sorted(names))
