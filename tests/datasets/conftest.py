"""Uploads as a route would make them, and proof that nothing is left behind."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio import datasets
from studio.actors import LOCAL_ACTOR, Actor
from studio.datasets import Dataset, ReceivedUpload, Receiver
from studio.db import SessionFactory, transaction
from studio.settings import Settings
from studio.storage import LocalStorage
from studio.wire import Wire
from tests.doing import PLANTED, do_chores, lines
from worker.bench import Bench
from worker.start import Forkserver

Receive = Callable[[str, bytes], ReceivedUpload]
Import = Callable[..., Dataset]
TWO_ROWS = b'{"text": "a"}\n{"text": "b"}\n'


def packed(content: bytes) -> bytes:
    """The same bytes at any time of day, so that tests may be named by them."""
    return gzip.compress(content, mtime=0)


@pytest.fixture
def receive(settings: Settings) -> Receive:
    """Receive a file in pieces."""

    def run(name: str, content: bytes) -> ReceivedUpload:
        with Receiver(settings.uploads_dir, name, settings.upload_limit_bytes) as receiver:
            for at in range(0, len(content), 1 << 16):
                receiver.write(content[at : at + (1 << 16)])
            return receiver.finish()

    return run


@pytest.fixture
def import_file(receive: Receive, session_factory: SessionFactory, storage: LocalStorage) -> Import:
    """Receive and import a file in a transaction of its own."""

    def run(file_name: str, content: bytes, *, actor: Actor = LOCAL_ACTOR, **options: Any) -> Dataset:
        upload = receive(file_name, content)
        with transaction(session_factory) as session:
            return datasets.import_upload(session, actor, upload, storage=storage, **options)

    return run


@pytest.fixture
def files_left(settings: Settings) -> Callable[[], list[Path]]:
    """Every file and folder of uploads, and every stored file."""

    def run() -> list[Path]:
        uploads = list(settings.uploads_dir.rglob("*"))
        return uploads + [path for path in settings.storage_dir.rglob("*") if path.is_file()]

    return run


@pytest.fixture
def bench(settings: Settings, session_factory: SessionFactory, storage: LocalStorage) -> Bench:
    """What a worker of the CPU queue needs; nobody hears it."""
    settings.uploads_dir.mkdir(parents=True)
    wire = Wire(f"unix://{settings.data_dir}/nobody.sock")
    return Bench(settings, session_factory, storage, wire, Forkserver(preload=[]), lambda folder: 1, "cpu")


@pytest.fixture
def dataset(import_file: Import, bench: Bench) -> Dataset:
    """Rows with planted faults, checked."""
    made = import_file("planted.jsonl", lines([{"prompt": prompt, "completion": said} for prompt, said in PLANTED]))
    do_chores(bench)
    return made
