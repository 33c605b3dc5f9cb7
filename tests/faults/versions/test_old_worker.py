"""While the studio is upgraded, a worker of version 0.1 goes on writing into the new schema."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from studio import adapters, runs
from studio.db import SessionFactory, make_engine, reading, transaction
from studio.migrate import upgrade
from studio.runs import Point, Run
from tests.faults.versions.old_worker import STATEMENTS, act, replay, unpack
from tests.faults.versions.scenes import SCENES, claim, lapse, train

Perform = Callable[[str], Run]


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database that was migrated, not made from the models."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'migrated.sqlite'}"
    else:
        server = make_engine(request.getfixturevalue("postgresql_url")).execution_options(isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.execute(text("DROP DATABASE IF EXISTS versions_test WITH (FORCE)"))
            connection.execute(text("CREATE DATABASE versions_test"))
        url = server.url.set(database="versions_test").render_as_string(hide_password=False)
        server.dispose()
    upgrade(url)
    engine = make_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def code_of_0_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 0.1 itself, from the history."""
    folder = tmp_path_factory.mktemp("version-0.1")
    try:
        unpack(folder)
    except subprocess.CalledProcessError:
        if os.environ.get("CI"):
            raise
        pytest.skip("this clone has no history of version 0.1: git fetch --unshallow")
    return folder


@pytest.fixture(params=["statements", pytest.param("code", marks=pytest.mark.faults)])
def perform(
    request: pytest.FixtureRequest, engine: Engine, session_factory: SessionFactory, make_run: Callable[..., Run]
) -> Perform:
    """Play a scene, the old worker's part by its recorded statements or by its own code."""

    def _perform(name: str) -> Run:
        scene = SCENES[name]
        run = make_run()
        scene.before(session_factory, run.id)
        if request.param == "statements":
            replay(engine, name, run.id)
        else:
            code = request.getfixturevalue("code_of_0_1")
            sent = act(code, engine.url.render_as_string(hide_password=False), list(scene.verbs))
            assert _shapes(sent) == _recorded_shapes(engine, name)
        return run

    return _perform


def test_an_old_worker_finishes_a_run(session_factory: SessionFactory, perform: Perform) -> None:
    run = perform("alone")

    ended = _read(session_factory, run)
    assert (ended.status, ended.epoch) == ("succeeded", 2)
    assert _shown(session_factory, run) == [(1, 101.0), (2, 102.0), (3, 103.0), (4, 104.0)]
    with reading(session_factory) as session:
        made = adapters.adapter_of_run(session, ended)
        assert made is not None
        assert made.step == 4
        assert {answer.epoch for answer in runs.read_answers(session, ended)} == {2}


def test_an_old_worker_fails_a_run(session_factory: SessionFactory, perform: Perform) -> None:
    run = perform("failing")

    ended = _read(session_factory, run)
    assert (ended.status, ended.failure_kind, ended.failure_reason) == ("failed", "internal", "Something failed.")


def test_an_old_worker_that_starts_over_leaves_no_second_curve(
    session_factory: SessionFactory, perform: Perform
) -> None:
    run = perform("to the end after a checkpoint")

    assert _read(session_factory, run).status == "succeeded"
    assert _shown(session_factory, run) == [(1, 101.0), (2, 102.0), (3, 103.0), (4, 104.0)]


def test_this_version_takes_over_from_a_silent_old_worker(session_factory: SessionFactory, perform: Perform) -> None:
    run = perform("after a checkpoint")
    with transaction(session_factory) as session:
        lapse(session, run.id)
    with transaction(session_factory) as session:
        assert runs.reap(session) == [run.id]

    lease = claim(session_factory, run.id)
    train(session_factory, lease, 1, 2)

    assert _shown(session_factory, run) == [(1, 10.0 * lease.epoch + 1), (2, 10.0 * lease.epoch + 2)]
    with reading(session_factory) as session:
        kept = session.scalars(select(Point.step).where(Point.superseded)).all()
    assert len(kept) == 3 + 3


def test_an_old_reaper_does_not_fail_a_run_that_makes_progress(
    session_factory: SessionFactory, perform: Perform
) -> None:
    run = perform("reaping")

    taken_back = _read(session_factory, run)
    assert (taken_back.status, taken_back.checkpoint_step) == ("queued", 7)

    lease = claim(session_factory, run.id)
    train(session_factory, lease, 8)
    assert [step for step, _ in _shown(session_factory, run)] == [1, 2, 3, 4, 5, 6, 7, 8]


def _read(session_factory: SessionFactory, run: Run) -> Run:
    with reading(session_factory) as session:
        return session.get_one(Run, run.id)


def _shown(session_factory: SessionFactory, run: Run) -> list[tuple[int, float | None]]:
    with reading(session_factory) as session:
        return [(point.step, point.value) for point in runs.read_series(session, run, "train/loss")]


def _shapes(sent: list[tuple[str, list[object]]]) -> list[tuple[str, int]]:
    """The statements and how many rows each had; what is in the rows differs by run and hour."""
    return [(statement, len(rows)) for statement, rows in sent]


def _recorded_shapes(engine: Engine, name: str) -> list[tuple[str, int]]:
    recorded = json.loads(STATEMENTS.read_text(encoding="utf-8"))[engine.dialect.name]
    return [(recorded["statements"][number], len(rows)) for number, rows in recorded["scenes"][name]]
