"""`tunewright backup`: the database and every file that its rows name, consistent, while the studio runs.

The database is copied first, then its files. What was deleted in between, row and file, is no longer in the next
copy of the database, so a round is repeated until a copy and its files agree.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from studio import runs
from studio.copies.boxes import Box, new_box
from studio.copies.manifests import DATABASE_NAMES, BackupManifest, Entry
from studio.copies.snapshot import Snapshot, take_snapshot
from studio.db import reading, utc_now
from studio.errors import Conflict, NotFound
from studio.house.findings import House
from studio.house.references import NamedCheckpoint, NamedFile, is_named, named_checkpoints
from studio.runs.folders import LOG_FILE
from studio.runs.manifest import MANIFEST_FILE
from studio.storage import fsync_file

_ROUNDS = 20


@dataclass(slots=True)
class _Copied:
    """What is in the box so far, by the key of a file or the place of a checkpoint."""

    files: dict[str, Entry] = field(default_factory=dict)
    checkpoints: dict[NamedCheckpoint, list[Entry]] = field(default_factory=dict)
    missing: dict[object, str] = field(default_factory=dict)


def back_up(house: House, target: Path, *, say: Callable[[str], None]) -> BackupManifest:
    """Make a backup; its `missing` tells what was damaged already. Raises Conflict, StorageFull and StartupError."""
    copied = _Copied()
    database = target.with_name(f".{target.name}.database")
    try:
        with new_box(target) as box:
            snapshot = _agreeing_snapshot(house, box, copied, database)
            manifest = _manifest(snapshot, copied, _logs(house, box), _add_database(box, database, snapshot))
            box.finish(manifest)
    finally:
        database.unlink(missing_ok=True)
    for sentence in manifest.missing:
        say(sentence)
    say(f"Backed up {len(manifest.files):,} files and the database, {manifest.size_bytes:,} bytes, to {target}.")
    say(f"Catalogue: {manifest.catalogue_sha256}")
    return manifest


def _agreeing_snapshot(house: House, box: Box, copied: _Copied, database: Path) -> Snapshot:
    for _ in range(_ROUNDS):
        snapshot = take_snapshot(house, database)
        copied.missing.clear()
        deleted = [file for file in snapshot.files if not _copy_file(house, box, copied, file)]
        pruned = [one for one in snapshot.checkpoints if not _copy_checkpoint(house, box, copied, one)]
        if not deleted and not pruned:
            return snapshot
    raise Conflict("Files are deleted faster than they can be copied. Try again when less is going on.")


def _copy_file(house: House, box: Box, copied: _Copied, file: NamedFile) -> bool:
    """Whether it is in the box, or known to be missing; False when its row has gone meanwhile."""
    if file.key in copied.files:
        return True
    try:
        with house.storage.open(file.key) as stream:
            entry = box.add(f"files/{file.key}", stream)
    except NotFound:
        entry = None
    if entry is not None and file.sha256 in {None, entry.sha256}:
        copied.files[file.key] = entry
        return True
    with reading(house.session_factory) as session:
        if not is_named(session, file.key):
            return False
    copied.missing[file.key] = f"{file.what} is {'damaged' if entry else 'missing'} and not in the backup."
    return True


def _copy_checkpoint(house: House, box: Box, copied: _Copied, checkpoint: NamedCheckpoint) -> bool:
    """The same for the folder of a checkpoint; a folder that does not verify is left out as a whole."""
    if checkpoint in copied.checkpoints:
        return True
    folder = checkpoint.folder(house.settings.runs_dir)
    try:
        manifest = runs.verify_folder(folder, checkpoint.manifest_sha256)
        entries = [
            _add_path(house, box, folder / name) for name in (*(file.name for file in manifest.files), MANIFEST_FILE)
        ]
        expected = [file.sha256 for file in manifest.files] + [checkpoint.manifest_sha256]
        if [entry.sha256 for entry in entries] != expected:
            raise runs.Damaged("It changed while it was copied.")
    except (runs.Damaged, OSError):
        with reading(house.session_factory) as session:
            if checkpoint not in named_checkpoints(session):
                return False
        what = f"The checkpoint of step {checkpoint.step} of run {checkpoint.run_id}"
        copied.missing[checkpoint] = f"{what} is damaged or missing and not in the backup."
        return True
    copied.checkpoints[checkpoint] = entries
    return True


def _logs(house: House, box: Box) -> list[Entry]:
    """The logs of trainers, as long as they are now: no row names them, and pages show them."""
    return [_add_path(house, box, path) for path in sorted(house.settings.runs_dir.glob(f"run_*/attempt-*/{LOG_FILE}"))]


def _add_path(house: House, box: Box, path: Path) -> Entry:
    with path.open("rb") as stream:
        return box.add(f"runs/{path.relative_to(house.settings.runs_dir).as_posix()}", stream)


def _add_database(box: Box, database: Path, snapshot: Snapshot) -> Entry:
    fsync_file(database)
    with database.open("rb") as stream:
        return box.add(DATABASE_NAMES[snapshot.dialect], stream)


def _manifest(snapshot: Snapshot, copied: _Copied, logs: list[Entry], database: Entry) -> BackupManifest:
    files = [copied.files[file.key] for file in snapshot.files if file.key in copied.files]
    for checkpoint in snapshot.checkpoints:
        files += copied.checkpoints.get(checkpoint, [])
    return BackupManifest.model_validate(
        {
            "version": version("tunewright"),
            "created_at": utc_now().isoformat(),
            "dialect": snapshot.dialect,
            "revision": snapshot.revision,
            "catalogue_sha256": snapshot.catalogue_sha256,
            "database": database,
            "files": (*files, *logs),
            "missing": tuple(copied.missing.values()),
        }
    )
