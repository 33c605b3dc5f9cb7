"""Gzip: members, damage, and files that expand too far."""

import gzip
from pathlib import Path

import pytest

from studio.formats.limits import MIB, ImportLimits
from studio.formats.problems import FileProblem, OverLimit, UnreadableKind
from studio.formats.unpack import unpacked_pieces


def unpack(path: Path, content: bytes, **limits: int) -> bytes:
    path.write_bytes(content)
    return b"".join(unpacked_pieces(path, True, ImportLimits(**limits)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "upload"


def test_members_are_joined(path: Path) -> None:
    assert unpack(path, gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two")) == b"onetwo"


def test_a_member_that_begins_at_a_piece_border_is_found(path: Path) -> None:
    incompressible = Path(__file__).read_bytes() * 300
    first = gzip.compress(incompressible, compresslevel=0)

    assert unpack(path, first + gzip.compress(b"x")) == incompressible + b"x"


@pytest.mark.parametrize("junk", [b"junk", b"\0\0\0\0", b"\n", b"\x1fx"])
def test_junk_after_the_last_member_is_refused(path: Path, junk: bytes) -> None:
    with pytest.raises(FileProblem, match=r"something else after the end|is damaged"):
        unpack(path, gzip.compress(b"x") + junk)


@pytest.mark.parametrize("kept", [3, 12, -1, -4, -9])
def test_a_file_that_ends_early_is_refused(path: Path, kept: int) -> None:
    with pytest.raises(FileProblem, match="ends early"):
        unpack(path, gzip.compress(b"some text that is packed")[:kept])


def test_a_wrong_checksum_is_refused(path: Path) -> None:
    packed = bytearray(gzip.compress(b"some text"))
    packed[-6] ^= 1

    with pytest.raises(FileProblem, match="damaged"):
        unpack(path, bytes(packed))


def test_what_is_not_gzip_is_refused(path: Path) -> None:
    with pytest.raises(UnreadableKind, match="not a gzip file"):
        unpack(path, b'{"text": "a"}')


def test_a_bomb_is_stopped_at_the_ratio(path: Path) -> None:
    with pytest.raises(OverLimit, match="expands beyond 50 times its packed size"):
        unpack(path, gzip.compress(b"\0" * 20 * MIB))


def test_a_small_file_may_expand_further(path: Path) -> None:
    assert len(unpack(path, gzip.compress(b"a" * MIB))) == MIB


def test_unpacked_bytes_are_limited(path: Path) -> None:
    with pytest.raises(OverLimit, match="expands beyond 1,000 bytes"):
        unpack(path, gzip.compress(b"abcdefgh" * 200), unpacked_limit_bytes=1000)
