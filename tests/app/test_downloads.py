"""A download is complete only when it is right: bit rot, deletion and broken connections on a real socket."""

import hashlib
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from starlette.datastructures import Headers

from app.deps import Services
from app.downloads import PIECE_BYTES, asked_range
from studio.adapters import Adapter

on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
MakeAdapter = Callable[[bytes], Adapter]
BIG = 3 * PIECE_BYTES + 12_345


def flip(path: Path, bit: int) -> None:
    """Change one bit and nothing else: what a rotten disk does leaves the time of the file as it was."""
    status = path.stat()
    with path.open("r+b") as stream:
        stream.seek(bit // 8)
        value = stream.read(1)[0]
        stream.seek(bit // 8)
        stream.write(bytes([value ^ (1 << bit % 8)]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def fetch(http: httpx2.Client, adapter: Adapter, **headers: str) -> bytes | None:
    """The body when it came whole; None when it was refused or broke off."""
    try:
        answer = http.get(f"/adapters/{adapter.id}/archive", headers=headers)
    except httpx2.RemoteProtocolError:
        return None
    return answer.content if answer.status_code in {200, 206} else None


def flips_found(http: httpx2.Client, services: Services, adapter: Adapter, count: int) -> int:
    """How many of `count` random flips, one at a time, kept the download from being complete."""
    path = services.storage.path(adapter.storage_key)
    places = random.Random(3).sample(range(adapter.size_bytes * 8), count)
    found = 0
    for bit in places:
        flip(path, bit)
        found += fetch(http, adapter) is None
        flip(path, bit)
    return found


@on_sqlite
@pytest.mark.parametrize("size", [1000, PIECE_BYTES, BIG])
def test_a_flipped_bit_never_makes_a_complete_download(
    http: httpx2.Client, services: Services, make_adapter: MakeAdapter, size: int
) -> None:
    adapter = make_adapter(random.Random(size).randbytes(size))

    assert flips_found(http, services, adapter, 8) == 8
    assert hashlib.sha256(fetch(http, adapter) or b"").hexdigest() == adapter.sha256


@on_sqlite
@pytest.mark.faults
def test_two_hundred_flipped_bits_are_found(
    http: httpx2.Client, services: Services, make_adapter: MakeAdapter, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = make_adapter(random.Random(0).randbytes(BIG))

    found = flips_found(http, services, adapter, 200)

    with capsys.disabled():
        print(f"\nbit flips found on download: {found} of 200")
    assert found == 200


@on_sqlite
def test_a_damaged_file_is_told_in_the_answer_the_log_and_on_the_page(
    http: httpx2.Client, services: Services, make_adapter: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = make_adapter(random.Random(1).randbytes(BIG))
    flip(services.storage.path(adapter.storage_key), 99)
    assert "damaged" not in http.get(f"/adapters/{adapter.id}").text

    with pytest.raises(httpx2.RemoteProtocolError):
        http.get(f"/adapters/{adapter.id}/archive")
    again = http.get(f"/api/adapters/{adapter.id}/archive")

    assert (again.status_code, again.json()["error"]["code"]) == (502, "damaged")
    assert any(f"{adapter.storage_key} is damaged" in record.message for record in caplog.records)
    page = http.get(f"/adapters/{adapter.id}").text
    assert "damaged" in page
    assert f'href="/adapters/{adapter.id}/archive"' not in page


@on_sqlite
def test_a_range_of_a_damaged_file_is_refused_also_where_the_range_is_good(
    http: httpx2.Client, services: Services, make_adapter: MakeAdapter
) -> None:
    adapter = make_adapter(random.Random(1).randbytes(BIG))
    flip(services.storage.path(adapter.storage_key), BIG * 8 - 1)

    answer = http.get(f"/api/adapters/{adapter.id}/archive", headers={"Range": "bytes=0-99"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "damaged")


@on_sqlite
def test_a_file_of_another_size_is_damaged_before_anything_is_sent(
    http: httpx2.Client, services: Services, make_adapter: MakeAdapter
) -> None:
    adapter = make_adapter(b"zip" * 1000)
    with services.storage.path(adapter.storage_key).open("ab") as stream:
        stream.write(b"x")

    assert http.get(f"/api/adapters/{adapter.id}/archive").status_code == 502
    assert "damaged" in http.get(f"/adapters/{adapter.id}").text


@on_sqlite
def test_a_file_that_is_gone_is_told_on_the_page(
    http: httpx2.Client, services: Services, make_adapter: MakeAdapter
) -> None:
    adapter = make_adapter(b"zip")
    services.storage.delete(adapter.storage_key)

    assert "missing from the data folder" in http.get(f"/adapters/{adapter.id}").text


@on_sqlite
def test_a_file_that_was_put_back_is_sent_again(
    http: httpx2.Client, services: Services, make_adapter: MakeAdapter, tmp_path: Path
) -> None:
    content = random.Random(1).randbytes(BIG)
    adapter = make_adapter(content)
    flip(services.storage.path(adapter.storage_key), 5)
    assert fetch(http, adapter) is None

    (tmp_path / "good").write_bytes(content)
    services.storage.put(tmp_path / "good", adapter.storage_key)

    assert fetch(http, adapter) == content


def resumed(http: httpx2.Client, adapter: Adapter, cut: int) -> str:
    """The SHA-256 of a download that broke off behind `cut` bytes and went on from there."""
    received = bytearray()
    with http.stream("GET", f"/adapters/{adapter.id}/archive") as answer:
        tag = answer.headers["etag"]
        for piece in answer.iter_raw():
            received += piece
            if len(received) >= cut:
                break
    del received[cut:]
    rest = http.get(f"/adapters/{adapter.id}/archive", headers={"Range": f"bytes={cut}-", "If-Range": tag})
    assert (rest.status_code, rest.headers["etag"]) == (206, tag)
    return hashlib.sha256(received + rest.content).hexdigest()


def resumed_right(http: httpx2.Client, adapter: Adapter, count: int) -> int:
    cuts = random.Random(4).sample(range(1, adapter.size_bytes), count)
    return sum(resumed(http, adapter, cut) == adapter.sha256 for cut in cuts)


@on_sqlite
def test_a_download_that_broke_off_goes_on_where_it_was(http: httpx2.Client, make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(random.Random(2).randbytes(BIG))

    assert resumed_right(http, adapter, 10) == 10


@on_sqlite
@pytest.mark.faults
def test_a_hundred_downloads_that_broke_off_end_with_the_same_hash(
    http: httpx2.Client, make_adapter: MakeAdapter, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = make_adapter(random.Random(2).randbytes(BIG))

    right = resumed_right(http, adapter, 100)

    with capsys.disabled():
        print(f"\nresumed downloads with an equal SHA-256: {right} of 100")
    assert right == 100


@on_sqlite
def test_a_deletion_during_a_download_leaves_it_whole(
    http: httpx2.Client, services: Services, make_adapter: MakeAdapter
) -> None:
    content = random.Random(6).randbytes(8 * PIECE_BYTES)
    adapter = make_adapter(content)

    with http.stream("GET", f"/adapters/{adapter.id}/archive") as answer:
        pieces = answer.iter_raw()
        received = bytearray(next(pieces))
        services.storage.delete(adapter.storage_key)
        for piece in pieces:
            received += piece

    assert bytes(received) == content
    assert http.get(f"/adapters/{adapter.id}/archive").status_code == 404


@on_sqlite
@pytest.mark.faults
def test_two_hundred_deletions_at_random_moments_never_mix_or_cut(
    http: httpx2.Client, services: Services, make_adapter: MakeAdapter, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    content = random.Random(7).randbytes(BIG)
    adapter = make_adapter(content)
    (tmp_path / "again").write_bytes(content)
    moments, outcomes = random.Random(8), {"whole": 0, "absent": 0, "other": 0}
    for _ in range(200):
        services.storage.put(tmp_path / "again", adapter.storage_key)
        deletion = threading.Timer(moments.uniform(0, 0.02), services.storage.delete, [adapter.storage_key])
        deletion.start()
        answer = http.get(f"/adapters/{adapter.id}/archive")
        deletion.join()
        is_whole = answer.status_code == 200 and answer.content == content
        outcomes["whole" if is_whole else "absent" if answer.status_code == 404 else "other"] += 1

    with capsys.disabled():
        print(f"\ndeletions during a download: {outcomes}")
    assert outcomes["other"] == 0
    assert outcomes["whole"] > 0


@on_sqlite
def test_a_reader_that_goes_away_frees_the_file(
    http: httpx2.Client, app: FastAPI, services: Services, make_adapter: MakeAdapter
) -> None:
    adapter = make_adapter(random.Random(9).randbytes(30 * PIECE_BYTES))
    path = services.storage.path(adapter.storage_key)

    for _ in range(5):
        with http.stream("GET", f"/adapters/{adapter.id}/archive") as answer:
            next(answer.iter_raw())
    assert http.get("/healthz").status_code == 200

    from tests.app.conftest import wait_until

    wait_until(lambda: str(path) not in _open_files())


def _open_files() -> set[str]:
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(link.readlink()))
        except FileNotFoundError:
            continue
    return found


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=5-", range(5, 100)),
        ("bytes=90-200", range(90, 100)),
        ("bytes=-10", range(90, 100)),
        ("bytes=-200", range(100)),
        ("Bytes = 1 - 2", range(1, 3)),
        ("bytes=100-", range(100, 100)),
        ("bytes=-0", range(100, 100)),
        ("bytes=-", None),
        ("bytes=2-1", None),
        ("bytes=0-1,3-4", None),
        ("bytes=" + "9" * 400 + "-", None),
        ("bytes=٣-", None),
        ("rows=1-2", None),
        ("", None),
    ],
)
def test_ranges_are_read_as_the_standard_says(header: str, span: range | None) -> None:
    found = asked_range(Headers({"range": header.encode().decode("latin-1")}), '"t"', 100)

    assert (found is None) == (span is None)
    assert list(found or ()) == list(span or ())
