"""Lists take as many questions to the database for many rows as for few."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

from studio.datasets import DatasetVersion
from studio.db import SessionFactory, transaction
from studio.runs import Run, Stint

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
PATHS = ("/", "/runs", "/ladders", "/datasets", "/spending/prices", "/api/runs", "/api/ladders", "/api/spending?by=run")


def test_many_runs_and_ladders_take_no_more_queries(
    client: TestClient,
    session_factory: SessionFactory,
    make_run: Callable[..., Run],
    version: DatasetVersion,
    engine: Engine,
) -> None:
    _fill(client, session_factory, make_run, version, range(2))
    few = {path: _count(client, engine, path) for path in PATHS}

    _fill(client, session_factory, make_run, version, range(2, 8))

    assert {path: _count(client, engine, path) for path in PATHS} == few


def _fill(
    client: TestClient,
    session_factory: SessionFactory,
    make_run: Callable[..., Run],
    version: DatasetVersion,
    numbers: range,
) -> None:
    """Runs that cost something, and ladders with a rung that waits."""
    form = {"data.dataset_version_id": version.id, "base_model.id": "demo", "method.kind": "lora"}
    for number in numbers:
        run = make_run(f"Run {number}")
        with transaction(session_factory) as session:
            session.add(Stint(run_id=run.id, epoch=1, began=0.0, until=60.0, hardware="l4", dollars_per_hour=1.0))
        client.post("/ladders", data=form | {"idempotency_key": f"key_{number}"}, follow_redirects=False)


def _count(client: TestClient, engine: Engine, path: str) -> int:
    seen: list[str] = []

    def _note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", _note)
    answer = client.get(path)
    event.remove(engine, "before_cursor_execute", _note)
    assert answer.status_code == 200
    return len(seen)
