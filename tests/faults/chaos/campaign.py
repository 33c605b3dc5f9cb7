"""All campaigns by name, each with its full count and a small one; tests and the benchmark run the same ones."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.chaos.freezing import freeze_workers
from tests.faults.chaos.hints import send_duplicates, send_forgeries
from tests.faults.chaos.home import Home
from tests.faults.chaos.kills import kill_into_crash_loop, kill_trainers, kill_workers
from tests.faults.chaos.leaving import PHASES, ask_workers_to_leave, offer_demo_model
from tests.faults.chaos.ledger import Ledger
from tests.faults.chaos.outages import break_valkey, lock_sqlite, stop_postgresql
from tests.faults.chaos.people import act_on_runs
from tests.faults.chaos.processes import PostgreSQL
from tests.faults.chaos.report import Report
from tests.faults.chaos.sharing import share_a_gpu
from tests.faults.chaos.whole import cut_power
from tests.worker.hub import Hub


@dataclass(frozen=True, slots=True)
class Scene:
    """What a campaign is given."""

    home: Home
    ledger: Ledger
    hub: Hub
    seed: int


@dataclass(frozen=True, slots=True)
class Campaign:
    """Faults of one kind; `run` is given how many, or how many seconds long."""

    run: Callable[[Scene, int], Report]
    full: int
    small: int


def _leave(scene: Scene, count: int) -> Report:
    offer_demo_model(scene.hub)
    return ask_workers_to_leave(scene.home, scene.ledger, scene.hub, PHASES[-count:], seed=scene.seed)


def _stop_postgresql(scene: Scene, seconds: int) -> Report:
    with postgresql_home() as (home, server):
        ledger = Ledger(home)
        report = stop_postgresql(home, ledger, server, seconds=seconds, seed=scene.seed)
        kills = kill_trainers(home, ledger, count=3, seed=scene.seed)
        return Report("PostgreSQL", scene.seed, [*report.faults, *kills.faults], kills.count)


def _cut_power(scene: Scene, count: int) -> Report:
    with tempfile.TemporaryDirectory(prefix="tw-up-") as folder:
        return cut_power(Path(folder), scene.ledger.undisturbed(), count=count, seed=scene.seed)


CAMPAIGNS: dict[str, Campaign] = {
    "trainer": Campaign(lambda s, n: kill_trainers(s.home, s.ledger, count=n, seed=s.seed), 100, 5),
    "worker": Campaign(lambda s, n: kill_workers(s.home, s.ledger, count=n, seed=s.seed), 50, 2),
    "crash loop": Campaign(lambda s, n: kill_into_crash_loop(s.home, s.ledger, seed=s.seed), 1, 1),
    "freeze": Campaign(lambda s, n: freeze_workers(s.home, s.ledger, count=n, seed=s.seed), 3, 1),
    "valkey": Campaign(lambda s, n: break_valkey(s.home, s.ledger, count=n, seed=s.seed), 20, 3),
    "leave": Campaign(_leave, len(PHASES), 2),
    "duplicates": Campaign(lambda s, n: send_duplicates(s.home, s.ledger, count=n, seed=s.seed), 1000, 100),
    "forgeries": Campaign(lambda s, n: send_forgeries(s.home, s.ledger, seed=s.seed), 1, 1),
    "people": Campaign(lambda s, n: act_on_runs(s.home, s.ledger, count=n, seed=s.seed), 30, 3),
    "sqlite": Campaign(lambda s, n: lock_sqlite(s.home, s.ledger, seconds=n, seed=s.seed), 30, 12),
    "postgresql": Campaign(_stop_postgresql, 10, 10),
    "power": Campaign(_cut_power, 3, 1),
    # Last: it ends the workers that the others share.
    "gpu": Campaign(lambda s, n: share_a_gpu(s.home, s.ledger, seed=s.seed), 1, 1),
}


@contextlib.contextmanager
def postgresql_home() -> Iterator[tuple[Home, PostgreSQL]]:
    """A studio on a PostgreSQL server of its own."""
    with tempfile.TemporaryDirectory(prefix="tw-home-") as folder:
        server = PostgreSQL()
        home = Home(Path(folder), database_url=server.url)
        try:
            yield home, server
        finally:
            home.close()
            server.close()
