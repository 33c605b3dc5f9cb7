"""The supervisor with real children: readiness, restart, stopping in order, and every refusal as one sentence."""

import asyncio
import dataclasses
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from studio import data_folder, valkey
from studio.errors import StartupError
from studio.listening import check_host, listen, url_of
from studio.settings import Settings
from studio.supervised import Child, Part
from tests.up import DEADLINE_SECONDS, Up, eventually

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


def is_gone(pid: int) -> bool:
    """Whether no process of that id runs; one that nobody has waited for yet counts as gone."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def run(coroutine: Coroutine[Any, Any, object]) -> None:
    """`asyncio.run` in a thread of its own: Playwright keeps a loop running in the main one once it was used."""
    with ThreadPoolExecutor(max_workers=1) as threads:
        threads.submit(asyncio.run, coroutine).result()


def part(tmp_path: Path, command: tuple[str, ...], *, is_ready: bool = True, **more: float) -> Part:
    """A part with that command."""

    async def ready() -> bool:
        return is_ready

    environment = {"PATH": os.environ["PATH"]}
    return Part("part", command, environment, tmp_path / "part.log", ready, **more)  # type: ignore[arg-type]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder that is not there yet."""
    return tmp_path / "data"


@pytest.fixture
def running(data_dir: Path) -> Iterator[Up]:
    """A studio without a worker."""
    up = Up(data_dir, "--no-worker")
    yield up
    up.stop()


def test_up_answers_restarts_what_ends_and_stops_in_order(running: Up, data_dir: Path) -> None:
    url = running.url()
    with urllib.request.urlopen(f"{url}/readyz", timeout=DEADLINE_SECONDS) as answer:
        assert answer.status == 200
    before = running.children()
    website = next(pid for pid, command in before.items() if "-m app" in command)

    os.kill(website, signal.SIGKILL)
    # The socket stays open meanwhile: the request waits for the next website.
    with urllib.request.urlopen(f"{url}/healthz", timeout=DEADLINE_SECONDS) as answer:
        assert answer.status == 200
    after = running.children()
    running.process.send_signal(signal.SIGINT)
    code, said = running.ends_with()

    assert code == 0
    assert "The website ended (signal 9); it starts again in 1 s." in said
    assert said.rstrip().endswith("Stopping ...")
    assert all(is_gone(pid) for pid in {*before, *after})
    assert {path.name for path in (data_dir / "logs").iterdir()} == {"valkey.log", "website.log"}


def test_killing_up_leaves_no_orphan(running: Up) -> None:
    running.url()
    children = running.children()
    assert len(children) == 2

    running.process.kill()

    eventually(lambda: all(is_gone(pid) for pid in children))


def test_a_second_studio_on_the_same_folder_is_refused(running: Up, data_dir: Path) -> None:
    running.url()

    second = Up(data_dir, "--no-worker")
    code, said = second.ends_with()

    assert code == 1
    assert said.count("\n") == 1
    assert f"in use by process {running.process.pid}" in said


def test_a_taken_port_is_one_sentence(data_dir: Path) -> None:
    with listen(Settings(port=0)) as taken:
        port = taken.getsockname()[1]
        code, said = Up(data_dir, "--no-worker", TUNEWRIGHT_PORT=str(port)).ends_with()

    assert code == 1
    assert said.startswith(f"Port {port} is taken by another program.")
    assert said.count("\n") == 1


def test_a_redis_that_does_not_answer_is_one_sentence(data_dir: Path) -> None:
    code, said = Up(data_dir, "--no-worker", TUNEWRIGHT_REDIS_URL="redis://:secret@127.0.0.1:1/0").ends_with()

    assert code == 1
    assert "TUNEWRIGHT_REDIS_URL" in said
    assert "secret" not in said


def test_a_data_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StartupError, match="cannot be written"):
        data_folder.prepare(Settings(data_dir=tmp_path / "file" / "data"))


def test_a_full_disk_is_refused_before_anything_starts(settings: Settings) -> None:
    with pytest.raises(StartupError, match=r"The disk of .* is full: \d+ MB are free"):
        data_folder.prepare(settings, minimum_free_bytes=10**18)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "studio.example"])
def test_addresses_that_others_can_reach_are_refused(host: str) -> None:
    with pytest.raises(StartupError, match="no accounts yet"):
        check_host(Settings(host=host))
    check_host(Settings(host=host, behind_proxy=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_loopback_is_allowed(host: str) -> None:
    check_host(Settings(host=host))


def test_port_0_takes_a_free_one() -> None:
    with listen(Settings(port=0)) as first, listen(Settings(port=0)) as second:
        assert url_of(first) != url_of(second)
        with socket.create_connection(first.getsockname()):
            pass


def test_a_part_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    child = Child(part(tmp_path, (sys.executable, "-c", "print('no such table')"), is_ready=False), print)
    child.start()

    with pytest.raises(StartupError, match=r'The part did not start. Its last words: "no such table"'):
        run(child.until_ready())


def test_a_part_that_never_answers_is_told(tmp_path: Path) -> None:
    child = Child(part(tmp_path, SLEEP, is_ready=False, ready_seconds=0.2, stop_seconds=5), print)
    child.start()

    with pytest.raises(StartupError, match="did not answer within"):
        run(child.until_ready())
    run(child.stop())


def test_a_part_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 60 & echo $! ; wait; wait"
    child = Child(part(tmp_path, ("/bin/sh", "-c", script), stop_seconds=0.3), print)
    child.start()
    log = tmp_path / "part.log"
    eventually(lambda: log.read_text().strip().isdigit())
    grandchild = int(log.read_text())

    run(child.stop())

    eventually(lambda: is_gone(grandchild))


def test_a_part_that_takes_its_time_to_end_is_waited_for_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.supervised.MOMENT_SECONDS", 0.2)
    script = "trap 'sleep 1; echo saved; exit 0' TERM; echo began; while :; do sleep 0.1; done"
    said: list[str] = []
    slow = part(tmp_path, ("/bin/sh", "-c", script), stop_seconds=20)
    child = Child(dataclasses.replace(slow, stop_note="Saving ..."), said.append)
    child.start()
    log = tmp_path / "part.log"
    eventually(lambda: "began" in log.read_text())

    run(child.stop())

    assert log.read_text().split() == ["began", "saved"]
    assert said == ["Saving ..."]


def test_a_part_that_keeps_ending_is_started_again_more_and_more_slowly(tmp_path: Path) -> None:
    said: list[str] = []
    child = Child(part(tmp_path, ("/bin/false",)), said.append)

    async def watch() -> None:
        child.start()
        keeping = asyncio.create_task(child.keep_running())
        while len(said) < 2:
            await asyncio.sleep(0.05)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    run(asyncio.wait_for(watch(), DEADLINE_SECONDS))

    assert said == [
        "The part ended (exit code 1); it starts again in 1 s.",
        "The part ended (exit code 1); it starts again in 2 s.",
    ]


def test_valkey_sockets_are_private_and_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = valkey.make_socket_path(tmp_path / "data")
    assert path.parent.parent == tmp_path
    assert path.parent.stat().st_mode & 0o777 == 0o700

    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    fallback = valkey.make_socket_path(tmp_path / "data")
    fallback.parent.rmdir()

    assert len(os.fsencode(fallback)) <= valkey.LONGEST_SOCKET_PATH


def test_a_socket_folder_that_others_can_enter_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = valkey.make_socket_path(tmp_path / "data")
    path.parent.chmod(0o755)

    other = valkey.make_socket_path(tmp_path / "data")
    other.parent.rmdir()

    assert other != path


def test_an_old_server_on_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.7 sha=0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert valkey.server_version(old) == (5, 0)

    assert valkey.server_version(valkey.find_server()) >= valkey.OLDEST
