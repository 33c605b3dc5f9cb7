"""The protocol under thousands of fault schedules ends right, and without any one of its rules it does not."""

from collections.abc import Iterator

import pytest

from tests.faults.simulator.campaign import Figures, postgresql_databases, run_campaign
from tests.faults.simulator.database import Tables, sqlite_tables
from tests.faults.simulator.variants import BROKEN, PROTOCOL, Variant
from tests.faults.simulator.world import play

SHORT_SQLITE = range(300)
SHORT_POSTGRESQL = range(50)
# The rarest of them is caught in every twelfth schedule.
SHORT_BROKEN = range(100)


@pytest.fixture
def sqlite() -> Iterator[Tables]:
    tables = sqlite_tables()
    yield tables
    tables.close()


def test_the_protocol_ends_right_on_sqlite() -> None:
    _expect_all_right(run_campaign(PROTOCOL, SHORT_SQLITE, [None, None]))


def test_the_protocol_ends_right_on_postgresql(postgresql_url: str) -> None:
    with postgresql_databases(postgresql_url, 1) as urls:
        _expect_all_right(run_campaign(PROTOCOL, SHORT_POSTGRESQL, urls))


@pytest.mark.parametrize("variant", BROKEN, ids=lambda variant: variant.name)
def test_each_broken_variant_is_caught(sqlite: Tables, variant: Variant) -> None:
    for seed in SHORT_BROKEN:
        if play(sqlite, variant, seed).wrong:
            return

    pytest.fail(f"{len(SHORT_BROKEN)} schedules with {variant.name} ended right")


def test_a_seed_replays_exactly(sqlite: Tables) -> None:
    first, second = (play(sqlite, BROKEN[-1], 3) for _ in range(2))

    assert vars(first) == vars(second)
    assert first.wrong


@pytest.mark.faults
def test_ten_thousand_schedules_on_sqlite_end_right() -> None:
    _expect_all_right(run_campaign(PROTOCOL, range(1000, 11_000), [None, None]))


@pytest.mark.faults
def test_two_thousand_schedules_on_postgresql_end_right(postgresql_url: str) -> None:
    with postgresql_databases(postgresql_url, 2) as urls:
        _expect_all_right(run_campaign(PROTOCOL, range(20_000, 22_000), urls))


@pytest.mark.faults
@pytest.mark.parametrize("variant", BROKEN, ids=lambda variant: variant.name)
def test_a_thousand_schedules_of_a_broken_variant_end_wrong_often(variant: Variant) -> None:
    figures = run_campaign(variant, range(1000), [None, None])

    print(variant.name, figures.as_json())
    assert len(figures.wrong_seeds) >= 10


def _expect_all_right(figures: Figures) -> None:
    print(figures.as_json())
    assert figures.wrong_seeds == [], figures.as_json()
    # Otherwise the schedules would show nothing: faults, overlaps and every kind of end have to occur.
    assert figures.faults.total() >= 15 * figures.schedules
    assert figures.zombie_overlaps > 0
    assert {"succeeded", "cancelled", "paused"} <= set(figures.ends)
