"""Which checkpoints a run keeps. Rows go first, then their folders: no row ever points to files that are gone."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from studio.db import SessionFactory, database_seconds, reading, transaction
from studio.runs.folders import checkpoint_folder
from studio.runs.manifest import Damaged, verify_folder
from studio.runs.models import Checkpoint, Run
from studio.runs.status import TERMINAL

_DAY_SECONDS = 86_400.0
_TOKENISED = "prepared"
_Place = tuple[int, int]


def prune_checkpoints(session_factory: SessionFactory, runs_dir: Path, run_id: str, *, keep: int) -> int:
    """Remove what a run no longer needs and return how many checkpoints that were. Commits.

    While it goes on, the committed checkpoint stays and with it the newest `keep` whole ones; after success none;
    after failure or cancellation the committed one, for a retry, and the newest whole one if that is another. The same
    after an end at the cap, for a higher one.
    """
    with transaction(session_factory) as session:
        places = _needless(session, runs_dir, run_id, keep)
        _delete_rows(session, run_id, places)
        is_over = session.scalar(select(Run.status).where(Run.id == run_id)) in TERMINAL
    _remove_folders(runs_dir, run_id, places)
    if is_over:
        # The tokenised rows: a retry makes them again.
        shutil.rmtree(runs_dir / run_id / _TOKENISED, ignore_errors=True)
    return len(places)


def expire_checkpoints(session_factory: SessionFactory, runs_dir: Path, *, days: int) -> int:
    """Remove every checkpoint of runs that have been over for `days`. Commits."""
    with reading(session_factory) as session:
        ended = list(session.scalars(select(Checkpoint.run_id).join(Run).where(Run.status.in_(TERMINAL)).distinct()))
    count = 0
    for run_id in ended:
        count += prune_checkpoints(session_factory, runs_dir, run_id, keep=1)
        with transaction(session_factory) as session:
            places = _expired(session, run_id, days)
            _delete_rows(session, run_id, places)
        _remove_folders(runs_dir, run_id, places)
        count += len(places)
    return count


def _needless(session: Session, runs_dir: Path, run_id: str, keep: int) -> list[_Place]:
    """Holds the run's row, so that the pointer cannot move meanwhile."""
    run = session.scalar(select(Run).where(Run.id == run_id).with_for_update(of=Run))
    if run is None:
        return []
    rows = _rows(session, run_id)
    if run.status == "succeeded" and not run.ended_at_cap:
        return [place for place, _ in rows]
    if run.checkpoint_step is None:
        # Before the first pointer nothing says which of them count.
        return []
    behind = [(place, sha256) for place, sha256 in rows if place[1] <= run.checkpoint_step]
    whole = [place for place, sha256 in behind if _is_whole(runs_dir, run_id, place, sha256)]
    kept = {(run.checkpoint_epoch, run.checkpoint_step), *whole[: 1 if run.status in TERMINAL else keep]}
    return [place for place, _ in rows if place not in kept]


def _rows(session: Session, run_id: str) -> list[tuple[_Place, str]]:
    """Epoch, step and manifest hash of a run's checkpoints, newest first."""
    columns = (Checkpoint.epoch, Checkpoint.step, Checkpoint.manifest_sha256)
    newest_first = (Checkpoint.step.desc(), Checkpoint.epoch.desc())
    found = session.execute(select(*columns).where(Checkpoint.run_id == run_id).order_by(*newest_first))
    return [((epoch, step), sha256) for epoch, step, sha256 in found]


def _is_whole(runs_dir: Path, run_id: str, place: _Place, sha256: str) -> bool:
    """Every file is there in its size. Hashing gigabytes after each checkpoint would cost more than it tells."""
    try:
        verify_folder(checkpoint_folder(runs_dir, run_id, *place), sha256, hashes=False)
    except Damaged:
        return False
    return True


def _expired(session: Session, run_id: str, days: int) -> list[_Place]:
    finished_at = session.scalar(select(Run.finished_at).where(Run.id == run_id))
    now = session.scalar(select(database_seconds()))
    if finished_at is None or now is None or now - finished_at.timestamp() < days * _DAY_SECONDS:
        return []
    return [place for place, _ in _rows(session, run_id)]


def _delete_rows(session: Session, run_id: str, places: Sequence[_Place]) -> None:
    if places:
        place = tuple_(Checkpoint.epoch, Checkpoint.step)
        gone = delete(Checkpoint).where(Checkpoint.run_id == run_id, place.in_(places))
        session.execute(gone.execution_options(synchronize_session=False))


def _remove_folders(runs_dir: Path, run_id: str, places: Sequence[_Place]) -> None:
    for place in places:
        # What cannot be removed now is found by fsck and swept later.
        shutil.rmtree(checkpoint_folder(runs_dir, run_id, *place), ignore_errors=True)
