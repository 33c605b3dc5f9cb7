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
