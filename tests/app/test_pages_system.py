"""The system page and its twin over JSON: workers, queue, storage, and what to do when a part is silent."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event, update

from app.deps import Services
from studio import house, runs
from studio.db import SessionFactory, database_seconds, transaction, utc_now
from studio.house.usage import UsageMeter, measure
from studio.runs import Run, Worker
from studio.settings import Settings

on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
MakeRun = Callable[..., Run]


@pytest.fixture
def add_worker(session_factory: SessionFactory) -> Callable[..., None]:
    """A worker's row, heard of so many seconds ago."""

    def _add(owner: str, *, seconds_silent: float = 1.0, run_id: str | None = None) -> None:
        with transaction(session_factory) as session:
            session.add(
                Worker(
                    owner=owner,
                    host=f"host-{owner}",
                    version="0.2.0",
                    gpu="0",
                    device="H200, 141 GB",
                    run_id=run_id,
                    note="",
                    started_at=utc_now() - timedelta(hours=2),
                    last_seen=database_seconds() - seconds_silent,
                )
            )

    return _add


class Clock:
    """Housekeeping whose last round was so long ago."""

    def __init__(self, age: float | None) -> None:
        self._age = age

    def last_tick_age(self) -> float | None:
        return self._age


def test_an_empty_studio_says_what_to_do(client: TestClient) -> None:
    page = client.get("/system").text

    assert "No worker yet" in page
    assert page.count("Nothing waits") == 2
    assert "tunewright fsck" in page


@on_sqlite
def test_checks_that_wait_for_a_worker_are_counted(client: TestClient) -> None:
    client.post("/datasets", files={"file": ("a.jsonl", '{"text": "a"}\n{"text": "b"}\n')})

    assert "0 running, 1 waiting for a CPU worker" in client.get("/system").text


def test_workers_are_ready_training_or_silent(
    client: TestClient, session_factory: SessionFactory, make_run: MakeRun, add_worker: Callable[..., None]
) -> None:
    run = make_run("A long run")
    with transaction(session_factory) as session:
        assert runs.claim_next(session, "busy") is not None
    add_worker("idle")
    add_worker("busy", run_id=run.id)
    add_worker("gone", seconds_silent=200)

    page = client.get("/system/status").text
    shown = client.get("/api/system").json()

    assert page.count("Ready<") == 1 and page.count("Training<") >= 1
    assert "Silent for 3 min 2" in page
    assert f'href="/runs/{run.id}"' in page
    assert "H200, 141 GB" in page
    assert {worker["owner"]: worker["is_silent"] for worker in shown["workers"]} == {
        "idle": False, "busy": False, "gone": True,
    }  # fmt: skip
    assert shown["workers"][-1]["owner"] == "gone"
    assert next(worker for worker in shown["workers"] if worker["owner"] == "busy")["run_id"] == run.id


def test_the_queue_shows_running_waiting_and_paused_runs_in_order(
    client: TestClient, session_factory: SessionFactory, make_run: MakeRun
) -> None:
    made = [make_run(name) for name in ("first", "second", "third", "over")]
    with transaction(session_factory) as session:
        session.execute(update(Run).where(Run.id == made[3].id).values(status="cancelled"))
        session.execute(update(Run).where(Run.id == made[1].id).values(desired="pause"))
    with transaction(session_factory) as session:
        assert runs.claim_next(session, "w1") is not None

    shown = client.get("/api/system").json()
    page = client.get("/system").text

    names = {kind: [run["name"] for run in shown[kind]] for kind in ("running", "waiting", "paused")}
    assert names == {"running": ["first"], "waiting": ["third"], "paused": ["second"]}
    assert page.index("first") < page.index("third") < page.index("second")
    assert f"/runs/{made[3].id}" not in page


@on_sqlite
def test_the_page_runs_the_same_number_of_queries_however_many_rows(
    client: TestClient, session_factory: SessionFactory, make_run: MakeRun, add_worker: Callable[..., None]
) -> None:
    statements: list[str] = []
    event.listen(session_factory.kw["bind"], "before_cursor_execute", lambda *args: statements.append(args[2]))

    def count() -> int:
        statements.clear()
        assert client.get("/system/status").status_code == 200
        return len(statements)

    add_worker("w1")
    make_run("one")
    few = count()
    for number in range(5):
        add_worker(f"more-{number}")
        make_run(f"more {number}")

    assert count() == few


@pytest.mark.parametrize(("age", "late"), [(None, False), (12.0, False), (61.0, True)])
@on_sqlite
def test_late_housekeeping_is_told(app: FastAPI, client: TestClient, age: float | None, late: bool) -> None:
    app.state.housekeeping = Clock(age)

    assert ("Housekeeping has made no round" in client.get("/system").text) is late
    assert client.get("/healthz").json()["status"] == ("degraded" if late else "ok")
    assert client.get("/api/system").json()["housekeeping_age_seconds"] == age


@on_sqlite
def test_redis_that_is_away_is_told(services: Services, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Redis does not answer" not in client.get("/system").text

    monkeypatch.setattr(services.wire, "answers", lambda: False)

    assert "Redis does not answer" in client.get("/system").text
    assert client.get("/api/system").json()["redis"] is False


@on_sqlite
def test_the_last_check_is_shown(client: TestClient, web_settings: Settings) -> None:
    web_settings.data_dir.mkdir(parents=True, exist_ok=True)
    assert "Never" in client.get("/system").text

    house.note_check(web_settings, 3)

    assert "3 findings" in client.get("/system").text
    assert "fsck --repair" in client.get("/system").text
    assert client.get("/api/system").json()["last_check"]["findings"] == 3


def test_storage_is_counted_by_kind_and_links_once(settings: Settings, session_factory: SessionFactory) -> None:
    sizes = {
        "files/datasets/ab/x.jsonl": 10,
        "files/originals/ab/x": 20,
        "files/adapters/run_1/1.zip": 300,
        "runs/run_1/attempt-1/checkpoints/step-00000010/state.safetensors": 4000,
        "runs/run_1/prepared/x.arrow": 1000,
        "runs/run_1/attempt-1/trainer.log": 7,
        "models/demo/model.safetensors": 50_000,
        "logs/worker.log": 3,
        "tunewright.sqlite": 600,
        "uploads/x.upload": 1,
        "cache/checkups/key/secrets.jsonl": 20,
        "cache/tokens/key.arrow": 2000,
        "cache/profiles/key/sums.u64": 200,
        "cache/tokenizers/models--a--b/blobs/c": 90,
    }
    for name, size in sizes.items():
        path = settings.data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    linked = settings.data_dir / "runs/run_2/attempt-0/checkpoints/step-00000010/state.safetensors"
    linked.parent.mkdir(parents=True)
    linked.hardlink_to(settings.data_dir / "runs/run_1/attempt-1/checkpoints/step-00000010/state.safetensors")

    usage = measure(settings, session_factory)

    database = usage.size_bytes.pop("database")
    assert usage.size_bytes == {
        "datasets": 30, "findings": 20, "tokens": 2200, "tokenizers": 90,
        "adapters": 300, "checkpoints": 5000, "base_models": 50_000, "logs": 10, "other": 1,
    }  # fmt: skip
    assert database >= 600
    assert usage.largest_first[0] == ("base_models", 50_000)
    assert usage.free_bytes > 0


@on_sqlite
def test_the_disk_is_walked_twice_a_minute_at_most(
    settings: Settings, session_factory: SessionFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked: list[Path] = []
    monkeypatch.setattr("studio.house.usage.os.walk", lambda root: walked.append(root) or iter(()))
    settings.data_dir.mkdir(parents=True)
    meter = UsageMeter(settings, session_factory)

    for _ in range(5):
        meter.read()

    assert len(walked) == 1
