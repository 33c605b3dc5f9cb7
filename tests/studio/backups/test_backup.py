"""A backup taken while the studio works holds every row with its file, and comes back the same."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from studio import copies, house, runs
from studio.adapters import Adapter
from studio.db import reading, transaction
from studio.errors import Conflict, StartupError
from studio.house import House
from studio.runs import Checkpoint, Lease
from studio.settings import Settings
from studio.storage import LocalStorage
from tests.studio.backups.conftest import catalogue
from tests.studio.test_cli import tunewright

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.mark.parametrize("name", ["backup", "backup.tar"])
def test_a_backup_restored_into_an_empty_box_is_the_same(
    home: House, backed_up: Callable[[str], Path], elsewhere: Settings, lease: Lease, name: str
) -> None:
    before = catalogue(home.settings)
    said: list[str] = []

    copies.restore(elsewhere, backed_up(name), force=False, say=said.append)

    assert catalogue(elsewhere) == before
    assert f"Catalogue: {before}" in said
    for folder in ("files", "runs"):
        assert _content(elsewhere.data_dir / folder) == _content(home.settings.data_dir / folder)
    with house.open_house(elsewhere) as restored:
        assert list(house.examine(restored, spared_seconds=0)) == []
    assert sorted(path.name for path in elsewhere.data_dir.iterdir() if path.name.startswith(".restore")) == []


def test_a_run_that_was_under_way_goes_on_from_its_checkpoint_after_the_restoration(
    backed_up: Callable[[str], Path], elsewhere: Settings, lease: Lease
) -> None:
    copies.restore(elsewhere, backed_up("backup"), force=False, say=lambda _: None)

    with house.open_house(elsewhere) as restored:
        with transaction(restored.session_factory) as session:
            assert runs.reap(session, dead_owners=("w1",)) == [lease.run_id]
        with transaction(restored.session_factory) as session:
            again = runs.claim_next(session, "w2")
            assert again is not None and again.epoch > lease.epoch
            checkpoint = runs.committed_checkpoint(session, lease.run_id)
        assert checkpoint is not None and checkpoint.step == 20
        folder = runs.checkpoint_folder(elsewhere.runs_dir, lease.run_id, lease.epoch, 20)
        runs.verify_folder(folder, checkpoint.manifest_sha256)


@on_sqlite
def test_what_changes_while_it_is_copied_is_in_the_backup_as_a_whole_or_not_at_all(
    home: House, backed_up: Callable[[str], Path], save: Callable[[int], Path], elsewhere: Settings, lease: Lease,
    tmp_path: Path,
) -> None:  # fmt: skip
    steps = iter((30, 40, 50))

    class Busy(LocalStorage):
        """While a file is read, the run saves a checkpoint and the oldest ones are pruned."""

        def open(self, key: str):  # type: ignore[no-untyped-def]
            if (step := next(steps, None)) is not None:
                save(step)
                runs.prune_checkpoints(home.session_factory, home.settings.runs_dir, lease.run_id, keep=2)
            return super().open(key)

    busy = House(home.settings, home.session_factory, Busy(home.settings.storage_dir))

    manifest = copies.back_up(busy, tmp_path / "busy", say=lambda _: None)
    copies.restore(elsewhere, tmp_path / "busy", force=False, say=lambda _: None)

    assert manifest.missing == ()
    with house.open_house(elsewhere) as restored:
        assert list(house.examine(restored, spared_seconds=0)) == []
        with reading(restored.session_factory) as session:
            assert list(session.scalars(select(Checkpoint.step).order_by(Checkpoint.step))) == [40, 50]


@on_sqlite
def test_what_was_damaged_before_is_told_and_left_out(
    home: House, adapter: Adapter, save: Callable[[int], Path], tmp_path: Path, elsewhere: Settings
) -> None:
    shutil.rmtree(save(10))
    path = home.storage.path(adapter.storage_key)
    path.write_bytes(b"x" + path.read_bytes()[1:])
    said: list[str] = []

    manifest = copies.back_up(home, tmp_path / "backup", say=said.append)
    copies.restore(elsewhere, tmp_path / "backup", force=False, say=said.append)

    assert len(manifest.missing) == 2
    assert "The archive of adapter “An adapter” is damaged and not in the backup." in said
    assert not (elsewhere.storage_dir / adapter.storage_key).exists()


@on_sqlite
def test_a_backup_never_overwrites(home: House, backed_up: Callable[[str], Path], tmp_path: Path) -> None:
    made = backed_up("backup")

    with pytest.raises(Conflict, match="is there already"):
        copies.back_up(home, made, say=lambda _: None)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_without_pg_dump_or_with_an_old_one_it_says_what_to_install(
    home: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartupError, match="pg_dump is not there"):
        copies.back_up(home, tmp_path / "backup", say=lambda _: None)

    (tmp_path / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6'\n")
    (tmp_path / "pg_dump").chmod(0o755)
    with pytest.raises(StartupError, match="older than the server"):
        copies.back_up(home, tmp_path / "backup", say=lambda _: None)


def test_the_commands_print_the_samecatalogue(tmp_path: Path) -> None:
    tunewright("migrate", TUNEWRIGHT_DATA_DIR=str(tmp_path / "data"))

    made = tunewright("backup", str(tmp_path / "b.tar"), TUNEWRIGHT_DATA_DIR=str(tmp_path / "data"))
    back = tunewright("restore", str(tmp_path / "b.tar"), TUNEWRIGHT_DATA_DIR=str(tmp_path / "box"))

    assert (made.returncode, back.returncode) == (0, 0)
    assert made.stdout.splitlines()[-1] == back.stdout.splitlines()[-1]
    assert made.stdout.splitlines()[-1].startswith("Catalogue: ")


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
