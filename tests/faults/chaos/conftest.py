"""One studio with two warm workers for all chaos tests; each test keeps books of its own."""

import os
import random
from collections.abc import Iterator

import pytest

from tests.faults.chaos.home import Home
from tests.faults.chaos.ledger import Ledger, Trajectory
from tests.worker.hub import Hub, serve_hub


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    """A loopback hub to download from."""
    with serve_hub() as hub:
        yield hub


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Iterator[Home]:
    """A studio on SQLite."""
    home = Home(tmp_path_factory.mktemp("chaos"), TUNEWRIGHT_HUB_ENDPOINT=hub.url)
    try:
        yield home
    finally:
        home.close()


@pytest.fixture(scope="module")
def trajectories() -> dict[str, Trajectory]:
    """What undisturbed runs compute, by their spec."""
    return {}


@pytest.fixture
def ledger(home: Home, trajectories: dict[str, Trajectory]) -> Ledger:
    """Empty books."""
    home.await_warm(2)
    return Ledger(home, trajectories)


@pytest.fixture
def seed() -> int:
    """Another one each time, told in every report; CHAOS_SEED repeats one."""
    return int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(2**31))
