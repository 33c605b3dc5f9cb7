"""The CPU queue does real chores in real children, and survives what goes wrong in them."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio import chores, datasets
from studio.actors import LOCAL_ACTOR
from studio.chores import Chore, ChoreLease
from studio.chores.child import CannotDo, Progress, run_child
from studio.datasets import DatasetVersion
from studio.db import reading, transaction
from studio.queue import SilentQueue
from tests.worker.benches import DEADLINE_SECONDS
from worker.bench import Bench
from worker.chores import ChoreSlot, Work
from worker.doing import DOERS
from worker.start import Target


class Doing:
    """A kind whose child is one function of this module."""

    def __init__(self, target: Target, **limits: Any) -> None:
        self._work = Work({}, target=target, memory_bytes=0, **limits)

    def begin(self, bench: Bench, lease: ChoreLease, folder: Path) -> Work:
        """Nothing needs to be known."""
        return self._work

    def store(self, bench: Bench, lease: ChoreLease, folder: Path, result: dict[str, Any]) -> None:
        """Keep the answer."""
        with transaction(bench.session_factory) as session:
            chores.finish(session, lease, result)


def succeed(folder: Path) -> int:
    return run_child(lambda request, folder, progress: {"pid": os.getpid()}, folder)


def refuse(folder: Path) -> int:
    def do(request: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
        raise CannotDo("The rows are of another shape.")

    return run_child(do, folder)


def die(folder: Path) -> int:
    os._exit(3)


def go_on_for_ever(folder: Path) -> int:
    progress = Progress(folder)
    progress.tell("Waiting", 1, 4)
    progress.tell("Waiting", 4, 4)
    threading.Event().wait()
    return 0


def ask(bench: Bench) -> Chore:
    with transaction(bench.session_factory) as session:
        return chores.ask(session, LOCAL_ACTOR, "mending", "k", {}, queue=SilentQueue())


def show(bench: Bench, chore: Chore) -> Chore:
    with reading(bench.session_factory) as session:
        return chores.get_chore(session, LOCAL_ACTOR, chore.id)


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def folders_left(bench: Bench) -> list[Path]:
    return list(bench.settings.uploads_dir.glob("chore-*"))


def test_a_checkup_finds_what_is_planted_and_keeps_it_for_pages(bench: Bench, version: DatasetVersion) -> None:
    with transaction(bench.session_factory) as session:
        chore = datasets.ask_checkup(session, LOCAL_ACTOR, version, queue=SilentQueue())

    count = ChoreSlot(bench, DOERS).drain()

    done = show(bench, chore)
    assert (count, done.status, done.problem) == (1, "done", "")
    found = {check["name"]: check["count"] for check in done.result["checks"] if check["count"]}
    assert found == {"too_few_rows": 1}
    kept = datasets.read_findings(bench.settings.cache_dir, version, "too_few_rows", start=0, limit=20)
    assert kept is not None
    assert [finding.detail for finding in kept] == ["40 rows are enough for little more than a try"]
    assert folders_left(bench) == []


@pytest.mark.parametrize(
    ("target", "status", "problem"),
    [
        (succeed, "done", ""),
        (refuse, "failed", "The rows are of another shape."),
        (die, "failed", "It broke off, perhaps for want of memory. The worker's log says more."),
    ],
)
def test_whatever_becomes_of_the_child_the_chore_is_over(
    target: Target, status: str, problem: str, bench: Bench
) -> None:
    chore = ask(bench)

    ChoreSlot(bench, {"mending": Doing(target)}).drain()

    shown = show(bench, chore)
    assert (shown.status, shown.problem) == (status, problem)
    assert folders_left(bench) == []


def test_a_chore_of_a_kind_that_a_newer_version_knows_is_refused_with_a_sentence(bench: Bench) -> None:
    chore = ask(bench)

    ChoreSlot(bench, {}).drain()

    assert show(bench, chore).problem == "This worker does not know work of the kind mending; start a newer one."


def test_a_child_that_takes_too_long_is_ended(bench: Bench) -> None:
    chore = ask(bench)

    ChoreSlot(bench, {"mending": Doing(go_on_for_ever, wall_seconds=0.5)}).drain()

    assert show(bench, chore).problem.startswith("It took too long")


def test_a_cancelled_chore_ends_its_child_within_seconds(bench: Bench) -> None:
    chore = ask(bench)
    doing = threading.Thread(target=ChoreSlot(bench, {"mending": Doing(go_on_for_ever)}).drain)
    doing.start()
    wait_for(lambda: show(bench, chore).fraction == 1.0)

    with transaction(bench.session_factory) as session:
        chores.cancel(session, LOCAL_ACTOR, chore.id)
    doing.join(DEADLINE_SECONDS)

    assert (doing.is_alive(), show(bench, chore).status, folders_left(bench)) == (False, "cancelled", [])


def test_a_worker_that_stops_hands_its_chore_back(bench: Bench) -> None:
    chore = ask(bench)
    doing = threading.Thread(target=ChoreSlot(bench, {"mending": Doing(go_on_for_ever)}).drain)
    doing.start()
    wait_for(lambda: show(bench, chore).status == "running")

    bench.stopping.set()
    doing.join(DEADLINE_SECONDS)

    shown = show(bench, chore)
    assert (shown.status, shown.claims) == ("queued", 0)
