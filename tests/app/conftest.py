"""The website on real parts: databases, a folder of files, Valkey, and a server on a socket where one is needed."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from uvicorn import Config

from app.__main__ import Server
from app.deps import Services
from app.main import create_app
from studio.actors import LOCAL_ACTOR
from studio.adapters import Adapter, archive_key
from studio.db import SessionFactory, transaction
from studio.listening import listen, url_of
from studio.queue import CeleryQueue
from studio.runs import Run
from studio.settings import Settings
from studio.storage import LocalStorage
from studio.wire import Wire
from tests.doing import HereSlot
from tests.forking import TEXT, preloaded
from worker.bench import Bench
from worker.chores import ChoreSlot
from worker.doing import DOERS
from worker.start import Forkserver


@pytest.fixture
def web_settings(settings: Settings, empty_redis: str) -> Settings:
    """Settings with a Redis, and an upload limit that a test can reach."""
    return settings.model_copy(update={"redis_url": empty_redis, "upload_limit_bytes": 3 << 20})


@pytest.fixture
def services(
    web_settings: Settings, session_factory: SessionFactory, storage: LocalStorage, empty_redis: str
) -> Iterator[Services]:
    """What the application receives."""
    wire = Wire(empty_redis)
    yield Services(
        settings=web_settings,
        session_factory=session_factory,
        storage=storage,
        queue=CeleryQueue(empty_redis),
        wire=wire,
    )
    wire.close()


@pytest.fixture
def app(web_settings: Settings, services: Services) -> FastAPI:
    """The whole application."""
    return create_app(web_settings, services)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """A client that is not a browser, at a host that is allowed; server errors are answers to it."""
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def serve() -> Iterator[Callable[[FastAPI], str]]:
    """Serve an application on a real socket of this machine; gives its address."""
    stops: list[Callable[[], None]] = []

    def _serve(app: FastAPI) -> str:
        listening = listen(Settings(port=0))
        server = Server(Config(app, log_config=None, server_header=False, timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()

        def _stop() -> None:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()
            listening.close()

        stops.append(_stop)
        wait_until(lambda: server.started)
        return url_of(listening)

    yield _serve
    for stop in stops:
        stop()


@pytest.fixture
def http(serve: Callable[[FastAPI], str], app: FastAPI) -> Iterator[httpx2.Client]:
    """A client of the application on a real socket."""
    with httpx2.Client(base_url=serve(app), timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
def make_adapter(
    session_factory: SessionFactory, storage: LocalStorage, make_run: Callable[..., Run], tmp_path: Path
) -> Callable[[bytes], Adapter]:
    """Register an adapter whose archive holds these bytes."""

    def _make(content: bytes) -> Adapter:
        run = make_run("A finished run")
        (tmp_path / "archive").write_bytes(content)
        stored = storage.put(tmp_path / "archive", archive_key(run.id, 1))
        adapter = Adapter(
            owner_id=LOCAL_ACTOR.id,
            run_id=run.id,
            name=run.name,
            kind="adapter",
            method=run.method,
            base_model=run.base_model,
            base_revision=None,
            step=3,
            validation_loss=1.5,
            trained_parameters=1000,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            storage_key=stored.key,
            files=[{"name": "adapter_config.json", "size_bytes": 2}],
        )
        with transaction(session_factory) as session:
            session.add(adapter)
        return adapter

    return _make


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def text_forkserver(tmp_path_factory: pytest.TempPathFactory) -> Forkserver:
    """What the worker of the CPU queue has."""
    return preloaded(TEXT, tmp_path_factory.mktemp("forkserver"))


@pytest.fixture
def cpu_worker(services: Services, web_settings: Settings, text_forkserver: Forkserver) -> ChoreSlot:
    """The slot of a worker of the CPU queue, in this process."""
    web_settings.uploads_dir.mkdir(parents=True, exist_ok=True)
    bench = Bench(
        settings=web_settings,
        session_factory=services.session_factory,
        storage=services.storage,
        wire=services.wire,
        forkserver=text_forkserver,
        train=_no_trainer,
        owner="cpu",
        download_environ=dict(os.environ),
    )
    return HereSlot(bench, DOERS)


def _no_trainer(folder: Path) -> int:
    raise AssertionError
