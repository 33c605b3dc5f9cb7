"""Stored files are whole or absent, and a file that a row names is never taken away by someone else's failure."""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from studio import datasets
from studio.actors import LOCAL_ACTOR
from studio.datasets import Receiver
from studio.db import SessionFactory, reading, transaction
from studio.errors import StorageFull
from studio.settings import Settings
from studio.storage import LocalStorage, StoredFile, make_folders

CONTENT = b'{"text": "a"}\n{"text": "b"}\n'


class Meeting(LocalStorage):
    """Storage where something else happens just after the rows of an import were put."""

    def __init__(self, root: Path, meanwhile: Callable[[], None], *, then_full: bool = False) -> None:
        super().__init__(root)
        self._meanwhile = meanwhile
        self._then_full = then_full

    def put(self, source: Path, key: str) -> StoredFile:
        stored = super().put(source, key)
        if key.startswith("originals/"):
            self._meanwhile()
            if self._then_full:
                raise StorageFull("The disk is full.")
        return stored


@pytest.fixture
def import_into(settings: Settings, session_factory: SessionFactory) -> Callable[[LocalStorage], None]:
    def _import(storage: LocalStorage) -> None:
        with Receiver(settings.uploads_dir, "a.jsonl", 1 << 20) as receiver:
            receiver.write(CONTENT)
            upload = receiver.finish()
        with transaction(session_factory) as session:
            datasets.import_upload(session, LOCAL_ACTOR, upload, storage=storage)

    return _import


@pytest.fixture
def check_rows(session_factory: SessionFactory, storage: LocalStorage) -> Callable[[], int]:
    """Counts the datasets, each of which has its three files."""

    def _check() -> int:
        with reading(session_factory) as session:
            found = datasets.list_datasets(session, LOCAL_ACTOR)
            for dataset in found:
                assert all(storage.path(key).is_file() for key in dataset.latest.keys)
            return len(found)

    return _check


def test_an_import_that_fails_keeps_the_files_of_one_that_came_between(
    storage: LocalStorage, import_into: Callable[[LocalStorage], None], check_rows: Callable[[], int]
) -> None:
    with pytest.raises(StorageFull):
        import_into(Meeting(storage.root, lambda: import_into(storage), then_full=True))

    assert check_rows() == 1


def test_an_import_that_fails_keeps_the_files_of_one_that_is_not_committed_yet(
    storage: LocalStorage, import_into: Callable[[LocalStorage], None], check_rows: Callable[[], int]
) -> None:
    def fail() -> None:
        with pytest.raises(StorageFull):
            import_into(Meeting(storage.root, lambda: None, then_full=True))

    import_into(Meeting(storage.root, fail))

    assert check_rows() == 1


def test_a_deletion_keeps_the_files_of_an_import_that_is_not_committed_yet(
    session_factory: SessionFactory,
    storage: LocalStorage,
    import_into: Callable[[LocalStorage], None],
    check_rows: Callable[[], int],
) -> None:
    import_into(storage)

    def delete() -> None:
        with transaction(session_factory) as session:
            first = datasets.list_datasets(session, LOCAL_ACTOR)[0]
            datasets.delete_dataset(session, LOCAL_ACTOR, first.id, storage=storage)

    import_into(Meeting(storage.root, delete))

    assert check_rows() == 1


def test_two_threads_may_put_the_same_key(storage: LocalStorage, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "source").write_bytes(content)
    start = threading.Barrier(4)
    stored: list[StoredFile] = []

    def put() -> None:
        start.wait()
        stored.append(storage.put(tmp_path / "source", "a/b"))

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {file.sha256 for file in stored} == {hashlib.sha256(content).hexdigest()}
    assert len(stored) == 4
    assert storage.path("a/b").read_bytes() == content
    assert [path.name for path in (storage.root / "a").iterdir()] == ["b"]


def test_a_discarder_asks_before_it_removes(storage: LocalStorage, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    storage.put(tmp_path / "source", "a/b")

    assert not storage.discard("a/b", lambda: True)
    assert storage.path("a/b").is_file()
    assert storage.discard("a/b", lambda: False)
    assert not (storage.root / "a" / "b").exists()


def test_new_folders_are_made_durable_from_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("studio.storage.fsync_dir", synced.append)

    make_folders(tmp_path / "a" / "b" / "c")

    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
