"""A PostgreSQL that crashes under a run and is back after a while: the run does not notice."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from studio.db import make_engine
from studio.runs import Run
from studio.tables import metadata
from tests.faults.chaos.processes import PostgreSQL
from tests.worker import standin
from tests.worker.benches import ask, await_step, read, supervise_in_background, train_losses, with_
from worker.bench import Bench

AWAY_SECONDS = 5


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """A server of these tests' own, which they may crash."""
    server = PostgreSQL()
    yield server
    server.close()


@pytest.fixture
def engine(server: PostgreSQL) -> Iterator[Engine]:
    """The database of every fixture here."""
    engine = make_engine(server.url)
    metadata.drop_all(engine)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def test_a_crashed_postgresql_kills_nothing_and_loses_nothing(server: PostgreSQL, bench: Bench, tiny_run: Run) -> None:
    supervising = supervise_in_background(with_(bench, train=standin.steady))
    await_step(bench, tiny_run, 3)

    server.crash()
    time.sleep(AWAY_SECONDS)
    assert supervising.is_alive()
    server.start()
    back = read(bench, tiny_run.id).step
    await_step(bench, tiny_run, back + 100)
    ask(bench, tiny_run, "keep")
    supervising.join(30)

    ended = read(bench, tiny_run.id)
    assert (ended.status, ended.epoch) == ("succeeded", 1)
    assert train_losses(bench, ended) == [(step, standin.loss_at(step)) for step in range(1, ended.step + 1)]
