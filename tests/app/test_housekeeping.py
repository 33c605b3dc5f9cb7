"""Housekeeping by the website: dead workers' runs, hints that were lost, and a database or a Redis that is away."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text

from app.deps import Services
from app.housekeeping import Housekeeper
from studio import runs
from studio.db import SessionFactory, make_session_factory, reading, transaction
from studio.housekeeping import MOST_HINTS, Housekeeping
from studio.presence import FOLDER, dead_owners, present
from studio.queue import GPU_QUEUE, CeleryQueue, canary_queue
from studio.runs import Run, Sign, Worker
from studio.wire import PREFIX, Wire
from tests.app.conftest import wait_until

MakeRun = Callable[..., Run]
SIGN = Sign(owner="w1", host="here", version="1", gpu=None, device="CPU")


def housekeeping(services: Services, **changes: float) -> Housekeeping:
    """The rounds of one website on these services."""
    return Housekeeping(services.session_factory, services.queue, services.wire, services.settings, **changes)


def claim(services: Services, owner: str) -> None:
    """A worker takes the oldest run."""
    with transaction(services.session_factory) as session:
        assert runs.claim_next(session, owner)


def read(services: Services, run: Run) -> Run:
    """The run as it is now."""
    with reading(services.session_factory) as session:
        return session.get_one(Run, run.id)


def hints(services: Services) -> int:
    """How many hints wait."""
    return services.wire.queue_length(GPU_QUEUE)


def leave_a_dead_lock(services: Services, owner: str) -> Path:
    """What a worker that was killed leaves in the data folder."""
    path = services.settings.data_dir / FOLDER / f"{owner}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_run_of_a_dead_worker_is_back_in_the_queue_after_one_round(services: Services, make_run: MakeRun) -> None:
    run = make_run()
    claim(services, "w1")
    with transaction(services.session_factory) as session:
        runs.renew_worker(session, SIGN, run_id=run.id, note="")
    lock = leave_a_dead_lock(services, "w1")

    assert housekeeping(services).make_round()

    with reading(services.session_factory) as session:
        assert session.get(Worker, "w1") is None
    assert (read(services, run).status, read(services, run).epoch) == ("queued", 2)
    assert hints(services) == 1
    assert not lock.exists()


def test_a_living_worker_keeps_its_run_and_a_late_renewal_is_forgiven_at_first(
    services: Services, make_run: MakeRun
) -> None:
    run = make_run()
    claim(services, "w1")
    with transaction(services.session_factory) as session:
        session.get_one(Run, run.id).lease_until = 1.0

    with present(services.settings.data_dir, "w1"):
        housekeeping(services).make_round()
        early = read(services, run).status
        housekeeping(services, grace_seconds=0).make_round()

    assert (early, read(services, run).status) == ("starting", "queued")


def test_a_hint_is_sent_again_after_half_a_minute_and_not_before(services: Services, make_run: MakeRun) -> None:
    run = make_run()
    rounds = housekeeping(services)

    assert (rounds.make_round(), rounds.make_round(), hints(services)) == (True, False, 1)
    with transaction(services.session_factory) as session:
        session.get_one(Run, run.id).dispatched_at = 1.0
    rounds.make_round()

    assert hints(services) == 2


def test_hints_that_nobody_reads_do_not_pile_up(services: Services, make_run: MakeRun) -> None:
    make_run()
    with redis.Redis.from_url(services.settings.redis_url or "") as client:
        client.rpush(f"{PREFIX}{GPU_QUEUE}", *["waiting"] * MOST_HINTS)

    housekeeping(services).make_round()

    assert hints(services) == MOST_HINTS


def test_nothing_breaks_while_redis_is_down(services: Services, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    claim(services, "w1")
    leave_a_dead_lock(services, "w1")
    url = f"unix://{tmp_path}/nobody.sock"

    assert Housekeeping(services.session_factory, CeleryQueue(url), Wire(url), services.settings).make_round()

    assert read(services, run).status == "queued"


def test_a_database_that_is_away_is_told_by_the_age_of_the_last_round(services: Services, tmp_path: Path) -> None:
    nowhere = make_session_factory(create_engine(f"sqlite:///{tmp_path}/no/such/folder.sqlite"))
    away = Services(services.settings, nowhere, services.storage, services.queue, services.wire)
    here, there = Housekeeper(services, round_seconds=0.05), Housekeeper(away, round_seconds=0.05)

    for housekeeper in (here, there):
        housekeeper.start()
    wait_until(lambda: there.last_tick_age() > 0.5)
    young = here.last_tick_age()
    for housekeeper in (here, there):
        housekeeper.stop()

    assert young < 0.5


def test_it_starts_and_stops_with_the_application(app: FastAPI, client: TestClient) -> None:
    threads = [thread for thread in app.state.housekeeping._threads if thread.is_alive()]
    assert client.get("/healthz").status_code == 200

    client.__exit__(None, None, None)

    assert len(threads) == 2
    assert not any(thread.is_alive() for thread in threads)
    client.__enter__()


def test_the_row_of_a_worker_is_renewed_and_forgotten_after_a_day(session_factory: SessionFactory) -> None:
    with transaction(session_factory) as session:
        runs.renew_worker(session, SIGN, run_id=None, note="")
        runs.renew_worker(session, SIGN, run_id="run_1", note="Warming up")
    with reading(session_factory) as session:
        kept = session.get_one(Worker, "w1")
    with transaction(session_factory) as session:
        runs.forget_workers(session)
        assert session.get(Worker, "w1") is not None
        session.execute(text("UPDATE workers SET last_seen = last_seen - 90000"))
        runs.forget_workers(session)

    with reading(session_factory) as session:
        assert session.get(Worker, "w1") is None
    assert (kept.run_id, kept.note, kept.device) == ("run_1", "Warming up", "CPU")


def test_two_that_look_at_once_are_not_both_given_the_same_dead(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "w1.lock").touch()

    with present(tmp_path, "w2"), dead_owners(tmp_path) as first, dead_owners(tmp_path) as second:
        assert (first, second) == (("w1",), ())

    assert not list((tmp_path / FOLDER).iterdir())


def test_a_round_that_fails_forgets_no_dead_worker(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    lock = tmp_path / FOLDER / "w1.lock"
    lock.touch()

    with pytest.raises(KeyError), dead_owners(tmp_path):
        raise KeyError

    assert lock.exists()


def test_celery_is_not_imported_until_something_is_due(tmp_path: Path) -> None:
    script = """
import sys
from studio.db import make_engine, make_session_factory
from studio.housekeeping import Housekeeping
from studio.queue import CeleryQueue
from studio.settings import Settings
from studio.tables import metadata
from studio.wire import Wire
engine = make_engine("sqlite:///studio.sqlite")
metadata.create_all(engine)
sessions, settings = make_session_factory(engine), Settings(data_dir=".")
Housekeeping(sessions, CeleryQueue("unix:///no"), Wire("unix:///no"), settings).make_round()
print([name for name in ("celery", "kombu", "torch") if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert told.stdout.strip() == "[]", told.stderr


def test_a_dead_worker_leaves_no_queue_behind(services: Services) -> None:
    leave_a_dead_lock(services, "w1")
    CeleryQueue(services.settings.redis_url or "")._celery.send_task("x", queue=canary_queue("w1"))

    housekeeping(services).make_round()

    with redis.Redis.from_url(services.settings.redis_url or "") as client:
        assert [key for key in client.scan_iter() if b"w1" in key] == []
