"""Many schedules in a few processes, and the figures that come of them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context

from sqlalchemy import text

from studio.db import make_engine
from tests.faults.simulator.database import postgresql_tables, sqlite_tables
from tests.faults.simulator.ledger import Ledger
from tests.faults.simulator.variants import Variant
from tests.faults.simulator.world import play


@dataclass
class Figures:
    """Sums over schedules; `wrong_seeds` can be replayed one by one."""

    schedules: int = 0
    claims: int = 0
    zombie_overlaps: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    wrong_seeds: list[int] = field(default_factory=list)

    def count(self, seed: int, ledger: Ledger) -> None:
        """Take a schedule in."""
        self.schedules += 1
        self.claims += ledger.claims
        self.zombie_overlaps += ledger.zombie_overlaps
        self.faults += ledger.faults
        self.ends += ledger.ends
        self.wrong += ledger.wrong
        self.wrong_seeds += [seed] if ledger.wrong else []

    def add(self, other: "Figures") -> None:
        """Take another part's figures in."""
        self.schedules += other.schedules
        self.claims += other.claims
        self.zombie_overlaps += other.zombie_overlaps
        self.faults += other.faults
        self.ends += other.ends
        self.wrong += other.wrong
        self.wrong_seeds += other.wrong_seeds

    def as_json(self) -> dict[str, object]:
        """What is kept of them."""
        return {
            "schedules": self.schedules,
            "faults": self.faults.total(),
            "claims": self.claims,
            "zombie_overlaps": self.zombie_overlaps,
            "schedules_with_a_wrong_outcome": len(self.wrong_seeds),
            "wrong_outcomes": dict(self.wrong.most_common()),
            "first_wrong_seeds": self.wrong_seeds[:5],
            "ends": dict(self.ends.most_common()),
            "faults_by_kind": dict(self.faults.most_common()),
        }


def run_campaign(variant: Variant, seeds: Sequence[int], urls: Sequence[str | None]) -> Figures:
    """Play all seeds, in as many processes as there are `urls`: each an empty PostgreSQL database, None for SQLite."""
    figures = Figures()
    shares = [(variant, seeds[number :: len(urls)], url) for number, url in enumerate(urls)]
    if len(shares) == 1:
        return _play(*shares[0])
    # Forked processes would share the connections of this one.
    with ProcessPoolExecutor(len(shares), mp_context=get_context("spawn")) as pool:
        for part in pool.map(_play, *zip(*shares, strict=True)):
            figures.add(part)
    figures.wrong_seeds.sort()
    return figures


@contextmanager
def postgresql_databases(server_url: str, count: int) -> Iterator[list[str | None]]:
    """So many empty databases of a server, and none afterwards."""
    server = make_engine(server_url).execution_options(isolation_level="AUTOCOMMIT")
    names = [f"simulator_{number}" for number in range(count)]
    with server.connect() as connection:
        for name in names:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE {name}"))
        yield [server.url.set(database=name).render_as_string(hide_password=False) for name in names]
        for name in names:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


def _play(variant: Variant, seeds: Sequence[int], url: str | None) -> Figures:
    tables = postgresql_tables(url) if url else sqlite_tables()
    figures = Figures()
    for seed in seeds:
        figures.count(seed, play(tables, variant, seed))
    tables.close()
    return figures
