"""A restoration happens whole or not at all, and says why not."""

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from studio import copies, house, migrate
from studio.adapters import Adapter
from studio.copies.catalogue import catalogue_sha256
from studio.copies.snapshot import reading_copy
from studio.db import reading, transaction
from studio.errors import Conflict, InvalidInput
from studio.house import House
from studio.runs import Run
from studio.settings import Settings
from tests.studio.backups.conftest import catalogue

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@on_sqlite
@pytest.mark.parametrize("name", ["backup", "backup.tar"])
def test_a_damaged_backup_restores_nothing(backed_up: Callable[[str], Path], elsewhere: Settings, name: str) -> None:
    source = backed_up(name)
    if source.is_dir():
        victims = [path for path in source.rglob("*") if path.is_file() and path.name != "manifest.json"]
    else:
        with tarfile.open(source) as tar:
            places = [member.offset_data for member in tar if member.size and member.name != "manifest.json"]
        victims = [source] * len(places)
    for number, victim in enumerate(victims):
        content = victim.read_bytes()
        place = 0 if source.is_dir() else places[number]
        victim.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(InvalidInput, match="The backup is damaged"):
            copies.restore(elsewhere, source, force=False, say=lambda _: None)
        victim.write_bytes(content)
    left = {path.name for path in elsewhere.data_dir.iterdir()}
    assert left <= {"lock", "logs"}


@on_sqlite
def test_a_backup_that_was_cut_short_is_none(backed_up: Callable[[str], Path], elsewhere: Settings) -> None:
    folder, tar = backed_up("backup"), backed_up("backup.tar")
    (folder / "manifest.json").unlink()
    tar.write_bytes(tar.read_bytes()[: tar.stat().st_size // 2])

    for source, said in (
        (folder, "never finished"),
        (tar, "cannot be read|never finished"),
        (folder / "nothing.tar", "There is no"),
    ):
        with pytest.raises(InvalidInput, match=said):
            copies.restore(elsewhere, source, force=False, say=lambda _: None)


@on_sqlite
@pytest.mark.parametrize("name", ["../evil", "/evil", "files/../../evil", "a\\b", "", "files//a"])
def test_names_that_lead_out_of_the_folder_are_refused(
    backed_up: Callable[[str], Path], elsewhere: Settings, name: str
) -> None:
    path = backed_up("backup") / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][0]["name"] = name
    path.write_text(json.dumps(manifest))

    with pytest.raises(InvalidInput, match="cannot be read"):
        copies.restore(elsewhere, path.parent, force=False, say=lambda _: None)


def test_a_box_that_is_not_empty_is_refused_and_put_aside_when_forced(
    home: House, backed_up: Callable[[str], Path], adapter: Adapter
) -> None:
    source = backed_up("backup")
    before = catalogue(home.settings)
    with transaction(home.session_factory) as session:
        session.get_one(Run, adapter.run_id).name = "Changed"

    with pytest.raises(Conflict, match="not empty"):
        copies.restore(home.settings, source, force=False, say=lambda _: None)
    home.session_factory.kw["bind"].dispose()
    copies.restore(home.settings, source, force=True, say=lambda _: None)

    assert catalogue(home.settings) == before
    aside = next(home.settings.data_dir.glob("replaced-*"))
    assert (aside / "files" / adapter.storage_key).is_file()


@on_sqlite
def test_an_older_schema_is_migrated(backed_up: Callable[[str], Path], elsewhere: Settings) -> None:
    folder = backed_up("backup")
    copy = folder / "tunewright.sqlite"
    migrate.downgrade(f"sqlite:///{copy}", "0001")
    with reading_copy(copy) as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
        found = catalogue_sha256(connection)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"revision": "0001", "catalogue_sha256": found}
    manifest["database"] |= {
        "sha256": hashlib.sha256(copy.read_bytes()).hexdigest(),
        "size_bytes": copy.stat().st_size,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    said: list[str] = []

    copies.restore(elsewhere, folder, force=False, say=said.append)

    assert f"The database was migrated from schema 0001 to {migrate.newest()}." in said
    with house.open_house(elsewhere) as restored, reading(restored.session_factory) as session:
        assert session.scalars(select(Run.name)).all() == ["A run"]


@on_sqlite
def test_a_newer_schema_or_another_kind_of_database_is_refused(
    backed_up: Callable[[str], Path], elsewhere: Settings
) -> None:
    path = backed_up("backup") / "manifest.json"
    manifest = json.loads(path.read_text())

    for change, said in (({"revision": "9999"}, "does not know"), ({"dialect": "postgresql"}, "another kind")):
        path.write_text(json.dumps(manifest | change))
        with pytest.raises((Conflict, InvalidInput), match=said):
            copies.restore(elsewhere, path.parent, force=False, say=lambda _: None)
