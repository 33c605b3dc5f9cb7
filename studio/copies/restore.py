"""`tunewright restore`: put a backup into an empty data folder, whole or not at all, and migrate it."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.engine import make_url

from studio import data_folder, migrate
from studio.copies import postgresql
from studio.copies.catalogue import catalogue_sha256
from studio.copies.manifests import BackupManifest
from studio.copies.opened import OpenBackup, open_backup
from studio.copies.snapshot import reading_copy
from studio.db import make_engine, utc_now
from studio.errors import Conflict, InvalidInput, StorageFull
from studio.settings import Settings
from studio.storage import disk_space_told, free_bytes, fsync_dir


def restore(settings: Settings, source: Path, *, force: bool, say: Callable[[str], None]) -> BackupManifest:
    """Restore; with `force` what is there already is put aside. Raises Conflict, InvalidInput, StorageFull."""
    with open_backup(source) as backup:
        manifest = backup.manifest
        _check_database(settings, manifest)
        data_folder.prepare(settings)
        with data_folder.held(settings.data_dir), disk_space_told():
            _check_empty(settings, force)
            _check_room(settings, manifest)
            staging = settings.data_dir / f".restore-{uuid.uuid4().hex}"
            try:
                _copy_out(backup, staging)
                if force:
                    _put_aside(settings, say)
                _move_in(settings, manifest, staging, replace=force)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            migrate.upgrade(settings.sqlalchemy_url)
    say(f"Restored {len(manifest.files):,} files and the database of {manifest.created_at}.")
    say(f"Catalogue: {manifest.catalogue_sha256}")
    if manifest.revision != migrate.newest():
        say(f"The database was migrated from schema {manifest.revision} to {migrate.newest()}.")
    for sentence in manifest.missing:
        say(sentence)
    return manifest


def _check_database(settings: Settings, manifest: BackupManifest) -> None:
    kind = make_url(settings.sqlalchemy_url).get_backend_name()
    if kind != manifest.dialect:
        names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
        raise Conflict(
            f"The backup holds a {names[manifest.dialect]} database, and TUNEWRIGHT_DATABASE_URL names another kind. "
            "Restore it into one of the same kind."
        )
    if not migrate.is_known(manifest.revision):
        raise InvalidInput(
            f"The backup has schema {manifest.revision}, which this version does not know. Install version "
            f"{manifest.version} or newer and restore with it."
        )


def _check_empty(settings: Settings, force: bool) -> None:
    if force:
        return
    there = [path.name for path in _places(settings) if _holds_something(path)]
    if not there and _database_file(settings) is None:
        engine = make_engine(settings.sqlalchemy_url)
        there = ["tables in the database"] if inspect(engine).get_table_names() else []
        engine.dispose()
    if there:
        raise Conflict(
            f"The data folder {settings.data_dir} is not empty ({', '.join(there)}). Name an empty one with "
            "TUNEWRIGHT_DATA_DIR, or put aside what is there with --force."
        )


def _places(settings: Settings) -> list[Path]:
    """Everything that a restoration puts in place."""
    database = _database_file(settings)
    beside = [database.with_name(f"{database.name}{ending}") for ending in ("", "-wal", "-shm")] if database else []
    return [settings.storage_dir, settings.runs_dir, *beside]


def _database_file(settings: Settings) -> Path | None:
    url = make_url(settings.sqlalchemy_url)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def _holds_something(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists()


def _check_room(settings: Settings, manifest: BackupManifest) -> None:
    free = free_bytes(settings.data_dir)
    if free < manifest.size_bytes:
        raise StorageFull(f"The backup needs {manifest.size_bytes:,} bytes, and {free:,} are free. Free some space.")


def _copy_out(backup: OpenBackup, staging: Path) -> None:
    """Everything beside its place, hashed; then the database must hold what the manifest says."""
    manifest = backup.manifest
    for entry in (*manifest.files, manifest.database):
        backup.copy(entry, staging / entry.name)
    if manifest.dialect == "sqlite":
        with reading_copy(staging / manifest.database.name) as connection:
            _compare(catalogue_sha256(connection), manifest)


def _compare(found: str, manifest: BackupManifest) -> None:
    if found != manifest.catalogue_sha256:
        raise InvalidInput(
            f"The database holds something else than its backup said: catalogue {found} instead of "
            f"{manifest.catalogue_sha256}. Do not use it; take another backup."
        )


def _put_aside(settings: Settings, say: Callable[[str], None]) -> None:
    there = [path for path in _places(settings) if path.exists()]
    if there:
        aside = settings.data_dir / f"replaced-{utc_now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}"
        aside.mkdir()
        for path in there:
            shutil.move(path, aside / path.name)
        say(f"What was there is in {aside} now.")


def _move_in(settings: Settings, manifest: BackupManifest, staging: Path, *, replace: bool) -> None:
    """Files first: no row is there before its file."""
    for place in (settings.storage_dir, settings.runs_dir):
        if (staging / place.name).is_dir():
            if place.is_dir():
                place.rmdir()
            (staging / place.name).rename(place)
    fsync_dir(settings.data_dir)
    database = _database_file(settings)
    if database is not None:
        shutil.move(staging / manifest.database.name, database)
        fsync_dir(database.parent)
        return
    engine = make_engine(settings.sqlalchemy_url)
    try:
        postgresql.load(engine, staging / manifest.database.name, replace=replace)
        with engine.connect() as connection:
            _compare(catalogue_sha256(connection), manifest)
    finally:
        engine.dispose()
