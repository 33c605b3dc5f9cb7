"""Databases that go away while a run is supervised: nothing is killed, nothing is lost."""

import threading

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from studio import runs
from studio.db import SessionFactory, reading
from studio.runs import Run
from studio.runs.folders import EVENTS_FILE
from tests.worker import standin
from tests.worker.benches import (
    MakeRun,
    ask,
    await_,
    await_step,
    claim,
    on_sqlite,
    read,
    supervise_in_background,
    train_losses,
    with_,
)
from worker.bench import Bench
from worker.supervise import supervise


@on_sqlite
def test_a_database_that_is_away_for_a_moment_loses_nothing(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    lease = claim(bench)
    away = _Away(bench.session_factory, calls=range(3, 6))

    supervise(with_(bench, session_factory=away), lease)

    ended = read(bench, run.id)
    with reading(bench.session_factory) as session:
        steps = [point.step for point in runs.read_series(session, ended, "train/loss")]
    assert away.calls_made > 6
    assert (ended.status, steps) == ("succeeded", [1, 2, 3])


@on_sqlite
def test_a_database_that_stays_away_lets_a_stopping_worker_leave(bench: Bench, tiny_run: Run) -> None:
    away = _Away(bench.session_factory, calls=range(0))
    stopping = threading.Event()
    lease = claim(bench)
    supervising = threading.Thread(
        target=supervise, args=(with_(bench, session_factory=away, train=standin.steady, stopping=stopping), lease)
    )
    supervising.start()
    await_step(bench, tiny_run, 3)

    away.calls = range(10**9)
    stopping.set()
    supervising.join(20)

    # Its lease runs out, and it goes on from the checkpoint that SQL knows of.
    assert not supervising.is_alive()
    assert read(bench, tiny_run.id).status == "running"


@on_sqlite
def test_a_database_that_is_away_for_half_an_hour_is_left_with_the_state_saved(
    bench: Bench, tiny_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.runs.protocol.AWAY_SECONDS", 1.5)
    away = _Away(bench.session_factory, calls=range(0))
    lease = claim(bench)
    supervising = threading.Thread(
        target=supervise, args=(with_(bench, session_factory=away, train=standin.steady), lease)
    )
    supervising.start()
    await_step(bench, tiny_run, 3)

    away.calls = range(10**9)
    supervising.join(30)

    folder = runs.attempt_folder(bench.settings.runs_dir, tiny_run.id, 1) / "checkpoints"
    assert not supervising.is_alive()
    assert max(int(path.name.removeprefix("step-")) for path in folder.iterdir()) > 3


@on_sqlite
def test_a_locked_sqlite_kills_nothing_and_loses_nothing(engine: Engine, bench: Bench, tiny_run: Run) -> None:
    # Ten seconds in the product.
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=300"))
    engine.dispose()
    supervising = supervise_in_background(with_(bench, train=standin.steady))
    await_step(bench, tiny_run, 3)

    with engine.connect() as connection:
        # Every transaction of this engine begins with the write lock.
        connection.exec_driver_sql("SELECT 1")
        said = _lines(bench, tiny_run)
        await_(lambda: _lines(bench, tiny_run) > said + 200)
    ask(bench, tiny_run, "keep")
    supervising.join(30)

    ended = read(bench, tiny_run.id)
    assert (ended.status, ended.epoch) == ("succeeded", 1)
    assert train_losses(bench, ended) == [(step, standin.loss_at(step)) for step in range(1, ended.step + 1)]


class _Away:
    """Sessions of a database that does not answer some of the calls."""

    def __init__(self, session_factory: SessionFactory, calls: range) -> None:
        self._session_factory = session_factory
        self.calls = calls
        self.calls_made = 0

    def __call__(self) -> object:
        self.calls_made += 1
        if self.calls_made in self.calls:
            raise OperationalError("SELECT 1", {}, Exception("the server closed the connection"))
        return self._session_factory()


def _lines(bench: Bench, run: Run) -> int:
    """What the trainer has said so far, written or not."""
    return len((runs.attempt_folder(bench.settings.runs_dir, run.id, 1) / EVENTS_FILE).read_bytes().splitlines())
