"""Receiving: hashed and measured in one pass, bounded, and removed unless it was finished."""

import errno
import hashlib
import os
import time
from pathlib import Path

import pytest

from studio.datasets import Receiver, discard_leftovers
from studio.datasets.receiving import display_name
from studio.errors import StorageFull, TooLarge


def test_a_received_file_is_whole_hashed_and_named_by_us(tmp_path: Path) -> None:
    with Receiver(tmp_path / "uploads", "../../etc/cron.d/x.jsonl", 100) as receiver:
        receiver.write(b"one ")
        receiver.write(b"two")
        upload = receiver.finish()

    assert upload.path.parent == tmp_path / "uploads"
    assert upload.path.suffix == ".upload"
    assert upload.path.read_bytes() == b"one two"
    assert upload.file_name == "x.jsonl"
    assert (upload.size_bytes, upload.sha256) == (7, hashlib.sha256(b"one two").hexdigest())


def test_a_file_over_the_limit_is_refused_and_removed(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="larger than 5 bytes"), Receiver(tmp_path, "a.jsonl", 5) as receiver:
        receiver.write(b"123")
        receiver.write(b"456")

    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_breaks_off_is_removed(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError), Receiver(tmp_path, "a.jsonl", 100) as receiver:
        receiver.write(b"123")
        raise ConnectionError

    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_is_never_finished_is_removed(tmp_path: Path) -> None:
    with Receiver(tmp_path, "a.jsonl", 100) as receiver:
        receiver.write(b"123")

    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk:
        def write(self, chunk: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    with pytest.raises(StorageFull), Receiver(tmp_path, "a.jsonl", 100) as receiver:
        real = receiver._open_stream()
        monkeypatch.setattr(receiver, "_stream", FullDisk())
        real.close()
        receiver.write(b"123")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("/etc/passwd", "passwd"),
        ("..\\..\\x.csv", "x.csv"),
        ("a\0b.jsonl", "a␀b.jsonl"),
        ("a\nb.jsonl", "a␊b.jsonl"),
        ("\u202elnosj.exe", "\ufffdlnosj.exe"),
        ("\ud800.csv", "\ufffd.csv"),
        ("<img onerror=x>.csv", "<img onerror=x>.csv"),
        ("CON.jsonl", "CON.jsonl"),
        ("", "upload"),
        ("../", ".."),
        ("données été.csv", "données été.csv"),
    ],
)
def test_a_file_name_is_only_for_showing(sent: str, shown: str) -> None:
    assert display_name(sent) == shown


def test_a_long_file_name_keeps_its_ending() -> None:
    name = display_name("x" * 5000 + ".parquet.gz")

    assert len(name) == 255
    assert name.endswith("xx.parquet.gz")


def test_what_a_killed_process_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    old, folder, new = tmp_path / "old.upload", tmp_path / "check-x", tmp_path / "new.upload"
    folder.mkdir()
    for path in (old, folder / "rows.jsonl", new):
        path.write_bytes(b"x")
    for path in (old, folder):
        os.utime(path, (time.time() - 100, time.time() - 100))

    assert discard_leftovers(tmp_path, older_than_seconds=50) == 2
    assert list(tmp_path.iterdir()) == [new]


def test_a_folder_that_is_not_there_has_no_leftovers(tmp_path: Path) -> None:
    assert discard_leftovers(tmp_path / "none") == 0
