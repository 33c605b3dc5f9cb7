"""Download of an adapter of 1 GB over loopback, hashed on the way, from a real server process. Goal: 1 GB/s, memory
flat."""

import contextlib
import hashlib
import os
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks._studio import write_result
from benchmarks._website import Website, running_website
from studio.actors import LOCAL_ACTOR
from studio.adapters import Adapter, archive_key
from studio.datasets import Dataset, DatasetVersion, Split
from studio.db import make_engine, make_session_factory, transaction
from studio.runs import Run, RunSpec
from studio.settings import Settings

SIZE_BYTES = 1_000_000_000
REPEATS = 5


def main() -> None:
    """Measure and write the result."""
    with running_website() as website:
        adapter_id = _register(website.settings)
        before = website.memory_mb()
        seconds = [_download(website, f"/adapters/{adapter_id}/archive") for _ in range(REPEATS)]
        grown = website.memory_mb() - before
    write_result(
        "download",
        {
            "size_bytes": SIZE_BYTES,
            "gigabytes_per_second": [round(SIZE_BYTES / value / 1e9, 2) for value in seconds],
            "best_gigabytes_per_second": round(SIZE_BYTES / min(seconds) / 1e9, 2),
            "goal_gigabytes_per_second": 1.0,
            "memory_growth_mb": round(grown, 1),
        },
    )


def _register(settings: Settings) -> str:
    """Rows of a finished run, and an archive of random bytes."""
    engine = make_engine(settings.sqlalchemy_url)
    version = DatasetVersion(
        owner_id=LOCAL_ACTOR.id,
        number=1,
        file_name="rows.jsonl",
        file_format="jsonl",
        file_size_bytes=1,
        original_sha256="0" * 64,
        shape="text",
        canonical="text",
        sha256="0" * 64,
        size_bytes=1,
        row_count=100,
        split=Split().model_dump(),
    )
    with transaction(make_session_factory(engine)) as session:
        session.add(Dataset(owner_id=LOCAL_ACTOR.id, name="Rows", versions=[version]))
        session.flush()
        spec = RunSpec.model_validate({"data": {"dataset_version_id": version.id, "sha256": version.sha256}})
        run = Run(
            owner_id=LOCAL_ACTOR.id,
            name="Run",
            spec=spec.model_dump(mode="json"),
            method=spec.method.kind,
            base_model=spec.base_model.id,
            dataset_version_id=version.id,
            status="succeeded",
        )
        session.add(run)
        session.flush()
        adapter = Adapter(
            owner_id=LOCAL_ACTOR.id,
            run_id=run.id,
            name="Run",
            kind="adapter",
            method=run.method,
            base_model=run.base_model,
            step=1,
            trained_parameters=1,
            sha256="",
            size_bytes=SIZE_BYTES,
            storage_key=archive_key(run.id, 1),
            files=[],
        )
        session.add(adapter)
        session.flush()
        adapter.sha256 = _write_random(settings.storage_dir / adapter.storage_key)
        adapter_id = adapter.id
    engine.dispose()
    return adapter_id


def _write_random(path: Path) -> str:
    path.parent.mkdir(parents=True)
    piece, digest = os.urandom(1_000_000), hashlib.sha256()
    with path.open("wb") as stream:
        for _ in range(SIZE_BYTES // len(piece)):
            stream.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def _download(website: Website, path: str) -> float:
    """Seconds to read the whole answer into one buffer."""
    address = urlsplit(website.url)
    buffer = memoryview(bytearray(4 << 20))
    received = 0
    began = time.perf_counter()
    with contextlib.closing(socket.create_connection((str(address.hostname), address.port or 80))) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode())
        while count := connection.recv_into(buffer):
            received += count
    seconds = time.perf_counter() - began
    if received < SIZE_BYTES:
        raise RuntimeError(f"only {received:,} bytes came")
    return seconds


if __name__ == "__main__":
    main()
