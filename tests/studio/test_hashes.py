"""A stored file is hashed once, and again when it is another one."""

import hashlib
import os
from pathlib import Path

import pytest

from studio.hashes import KnownHashes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"first" * 1_000_000)
    return path


def test_a_file_is_read_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes, reads = KnownHashes(), []
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda *arguments: reads.append(1) or real(*arguments))

    for _ in range(3):
        with path.open("rb") as stream:
            assert hashes.measure(stream) == hashlib.sha256(path.read_bytes()).hexdigest()

    # Five pieces of 1 MiB at most, and the empty one at the end.
    assert len(reads) == 6
    assert hashes.of(path.stat()) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_was_replaced_is_read_again(path: Path) -> None:
    hashes = KnownHashes()
    with path.open("rb") as stream:
        hashes.measure(stream)

    other = path.with_name("other")
    other.write_bytes(b"other" * 1_000_000)
    os.utime(other, ns=(0, path.stat().st_mtime_ns))
    other.replace(path)

    assert hashes.of(path.stat()) is None
    with path.open("rb") as stream:
        assert hashes.measure(stream) == hashlib.sha256(b"other" * 1_000_000).hexdigest()


def test_it_can_be_told_to_read_again(path: Path) -> None:
    hashes = KnownHashes()
    hashes.note(path.stat(), "wrong")

    with path.open("rb") as stream:
        assert hashes.measure(stream) == "wrong"
        assert hashes.measure(stream, again=True) == hashlib.sha256(path.read_bytes()).hexdigest()
