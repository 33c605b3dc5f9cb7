"""fsck finds every row without files, every file without rows and every changed byte, and mends what can be."""

import hashlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, update

from studio import house, runs
from studio.adapters import Adapter
from studio.datasets import Dataset
from studio.db import SessionFactory, reading, transaction
from studio.house import Finding, House
from studio.runs import Checkpoint, Lease, Run, RunEvent
from studio.settings import Settings
from tests.studio.test_cli import tunewright

on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
Find = Callable[[], list[str]]


@pytest.fixture
def find(home: House) -> Find:
    """The sentences of all findings; what no row names counts at once."""
    return lambda: [finding.sentence for finding in house.examine(home, spared_seconds=0)]


@pytest.fixture
def repair(home: House) -> Callable[[], list[Finding]]:
    """Mend what can be mended; gives what is left."""

    def _repair() -> list[Finding]:
        return [f for f in house.examine(home, spared_seconds=0) if f.mend is None or not f.mend()]

    return _repair


def test_a_whole_house_has_no_findings(find: Find, adapter: Adapter, save: Callable[[int], Path]) -> None:
    save(10)

    assert find() == []


def test_missing_rows_and_index_are_made_again_from_the_upload(
    home: House, find: Find, repair: Callable[[], list[Finding]], dataset: Dataset
) -> None:
    rows, offsets = (home.storage.path(key) for key in dataset.latest.keys[:2])
    before = rows.read_bytes(), offsets.read_bytes()
    rows.unlink()
    offsets.unlink()

    assert len(find()) == 2
    assert repair() == []

    assert (rows.read_bytes(), offsets.read_bytes()) == before
    assert find() == []


@on_sqlite
def test_an_index_that_does_not_fit_is_made_again_from_the_rows(
    home: House, find: Find, repair: Callable[[], list[Finding]], dataset: Dataset
) -> None:
    path = home.storage.path(dataset.latest.offsets_key)
    before = path.read_bytes()
    home.storage.delete(dataset.latest.original_key)
    path.write_bytes(before + b"12345678")

    assert ["does not fit the rows" in said for said in find()] == [True, False]
    assert ["The upload" in left.sentence for left in repair()] == [True]

    assert path.read_bytes() == before


def test_a_lost_archive_cannot_be_mended_and_says_what_to_do(
    home: House, repair: Callable[[], list[Finding]], adapter: Adapter
) -> None:
    home.storage.delete(adapter.storage_key)

    left = repair()

    assert len(left) == 1
    assert left[0].sentence == f"The archive of adapter “An adapter” is missing ({adapter.storage_key})."
    assert "restore it from a backup" in left[0].remedy


@on_sqlite
def test_every_changed_byte_of_a_stored_file_is_found(
    home: House, find: Find, dataset: Dataset, adapter: Adapter
) -> None:
    for key in (*dataset.latest.keys, adapter.storage_key):
        path = home.storage.path(key)
        content = path.read_bytes()
        for place in random.Random(2).sample(range(len(content)), 20):
            path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
            assert find(), (key, place)
        path.write_bytes(content)
    assert find() == []


@on_sqlite
def test_flipped_bits_of_a_checkpoint_are_found(find: Find, save: Callable[[int], Path]) -> None:
    folder = save(10)
    for path in folder.iterdir():
        content = path.read_bytes()
        for bit in random.Random(5).sample(range(len(content) * 8), 80):
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            path.write_bytes(changed)
            with pytest.raises(runs.Damaged):
                runs.verify_folder(folder, _manifest_sha256(folder, path, content))
        path.write_bytes(content)
    assert find() == []


def test_a_run_goes_on_from_the_checkpoint_before_a_lost_one(
    home: House, find: Find, repair: Callable[[], list[Finding]], lease: Lease, save: Callable[[int], Path]
) -> None:
    folders = {step: save(step) for step in (10, 20, 30)}
    (folders[20] / "state.json").write_text("{}")
    shutil.rmtree(folders[30])

    assert len(find()) == 2
    assert repair() == []

    with reading(home.session_factory) as session:
        run = session.get_one(Run, lease.run_id)
        assert (run.checkpoint_epoch, run.checkpoint_step) == (lease.epoch, 10)
        assert list(session.scalars(select(Checkpoint.step))) == [10]
        told = session.scalars(select(RunEvent.message).where(RunEvent.kind == "warning")).all()
    assert told == ["The checkpoint of step 30 was lost on disk; when the run resumes, it goes on from step 10."]


def test_without_a_whole_checkpoint_a_run_begins_anew(
    home: House, repair: Callable[[], list[Finding]], lease: Lease, save: Callable[[int], Path]
) -> None:
    shutil.rmtree(save(10))

    assert repair() == []

    with reading(home.session_factory) as session:
        assert session.get_one(Run, lease.run_id).checkpoint_step is None


def test_a_pointer_to_nothing_is_moved(
    home: House, find: Find, repair: Callable[[], list[Finding]], lease: Lease, save: Callable[[int], Path]
) -> None:
    save(10)
    with transaction(home.session_factory) as session:
        session.execute(update(Run).values(checkpoint_step=99))

    assert ["points to a checkpoint of step 99" in said for said in find()] == [True]
    assert repair() == []

    with reading(home.session_factory) as session:
        assert session.get_one(Run, lease.run_id).checkpoint_step == 10


def test_what_no_row_names_is_found_and_removed(
    home: House, find: Find, repair: Callable[[], list[Finding]], lease: Lease, save: Callable[[int], Path]
) -> None:
    kept = save(10)
    attempt = kept.parents[1]
    unnamed = [
        home.settings.storage_dir / "originals" / "ab" / "abc",
        home.settings.storage_dir / "datasets" / ".x.jsonl.1234.tmp",
        home.settings.runs_dir / "run_01k0000000000000000000000a" / "attempt-1" / "trainer.log",
        attempt / "checkpoints" / "tmp-1" / "state.json",
        attempt / "checkpoints" / "step-00000020" / "state.json",
        home.settings.uploads_dir / "1.upload",
    ]
    for path in unnamed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left")
    (attempt / "trainer.log").write_text("a log stays")

    assert len(find()) == len(unnamed)
    assert repair() == []

    assert not any(path.exists() for path in unnamed)
    assert kept.is_dir() and (attempt / "trainer.log").is_file()


def test_the_working_folders_of_a_run_that_is_over_go(
    home: House, find: Find, repair: Callable[[], list[Finding]], lease: Lease, save: Callable[[int], Path]
) -> None:
    attempt = save(10).parents[1]
    working = [attempt / "export", attempt.parent / "prepared", attempt / "checkpoints" / "best.safetensors"]
    for path in working:
        path.mkdir()
    assert find() == []

    with transaction(home.session_factory) as session:
        runs.end(session, lease, "failed", kind="internal")

    assert len(find()) == 3
    assert repair() == []
    assert not any(path.exists() for path in working)
    assert (attempt / "checkpoints" / "step-00000010").is_dir()


def test_what_is_younger_than_a_day_is_spared(home: House, save: Callable[[int], Path]) -> None:
    save(10).with_name("tmp-2").mkdir()
    home.settings.storage_dir.joinpath("new").write_bytes(b"x")

    assert list(house.examine(home)) == []


@on_sqlite
def test_a_random_deletion_is_always_found(
    home: House, find: Find, dataset: Dataset, adapter: Adapter, save: Callable[[int], Path]
) -> None:
    folders = [save(10), save(20)]
    files = [
        *(home.storage.path(key) for key in (*dataset.latest.keys, adapter.storage_key)),
        *(path for folder in folders for path in folder.iterdir()),
    ]
    for path in files:
        content = path.read_bytes()
        path.unlink()
        assert len(find()) == 1, path
        path.write_bytes(content)
    assert find() == []


@on_sqlite
def test_sweeping_removes_the_old_and_spares_the_rest(
    home: House, session_factory: SessionFactory, lease: Lease, save: Callable[[int], Path]
) -> None:
    folder = save(10)
    (home.settings.storage_dir / "old").write_bytes(b"12345")

    spared = house.sweep(home.settings, session_factory, home.storage)
    swept = house.sweep(home.settings, session_factory, home.storage, spared_seconds=0)

    assert (spared.leftovers, swept.leftovers, swept.size_bytes) == (0, 1, 5)
    assert folder.is_dir()


def test_the_command_says_what_is_wrong_and_ends_with_a_code(tmp_path: Path) -> None:
    data = {"TUNEWRIGHT_DATA_DIR": str(tmp_path / "data")}
    assert "Run tunewright migrate first" in tunewright("fsck", **data).stderr
    tunewright("migrate", **data)
    sound = tunewright("fsck", **data)
    assert (sound.returncode, sound.stdout) == (0, "Nothing is wrong.\n")

    with (tmp_path / "data" / "tunewright.sqlite").open("r+b") as stream:
        stream.seek(4096 * 2)
        stream.write(b"\xff" * 4096)
    broken = tunewright("fsck", "--repair", **data)

    assert broken.returncode == 1
    assert "The database file is damaged" in broken.stdout
    assert "restore it from a backup" in broken.stdout
    last = house.last_check(Settings(data_dir=tmp_path / "data"))
    assert last is not None and last.findings == 1


def _manifest_sha256(folder: Path, changed: Path, content: bytes) -> str:
    """What the row would say: the manifest's hash before the change."""
    manifest = folder / "manifest.json"
    return hashlib.sha256(content if changed == manifest else manifest.read_bytes()).hexdigest()
