"""Transactions that stand still: of a process that is frozen, or whose host is gone."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from studio import runs
from studio.db import DATABASE_AWAY, SessionFactory, make_engine, make_session_factory, transaction
from studio.runs import Lease, Run

PAUSE_SECONDS = 1.0


@pytest.fixture
def hasty_session_factory(engine: Engine) -> Iterator[SessionFactory]:
    """Sessions on the same database, whose transactions may pause for a second."""
    hasty = make_engine(engine.url.render_as_string(hide_password=False), longest_pause_seconds=PAUSE_SECONDS)
    yield make_session_factory(hasty)
    hasty.dispose()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_worker_frozen_within_a_transaction_does_not_keep_its_run(
    session_factory: SessionFactory, hasty_session_factory: SessionFactory, make_run: Callable[..., Run]
) -> None:
    run = make_run()
    with transaction(session_factory) as session:
        lease = runs.claim(session, run.id, "frozen")
    assert lease is not None

    with pytest.raises(DATABASE_AWAY), transaction(hasty_session_factory) as frozen:
        runs.renew(frozen, lease)
        with transaction(session_factory) as session:
            assert runs.reap(session, dead_owners=("frozen",)) == [run.id]

    with transaction(session_factory) as session:
        assert runs.claim(session, run.id, "another") == Lease(run.id, lease.epoch + 2, "another")
