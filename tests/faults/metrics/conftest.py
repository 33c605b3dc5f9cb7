"""A supervisor on a database of either kind, with a Valkey that can be killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.chaos.processes import Valkey
from tests.worker.benches import bench, forkserver, models_root, tiny_run

__all__ = ["bench", "forkserver", "models_root", "tiny_run"]


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A server of the test's own, running."""
    server = Valkey(tmp_path / "valkey")
    server.start()
    yield server
    server.close()
