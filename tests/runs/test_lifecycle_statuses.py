"""A run that is over stays as it ended, also for a statement that knows nothing of fences."""

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from studio.db import SessionFactory, reading, transaction
from studio.runs import TERMINAL, Run

MakeRun = Callable[..., Run]


@pytest.mark.parametrize("status", sorted(TERMINAL))
@pytest.mark.parametrize("change", ["status = 'queued'", "status = 'running'", "epoch = epoch + 1"])
def test_the_database_refuses_to_change_a_run_that_is_over(
    session_factory: SessionFactory, make_run: MakeRun, status: str, change: str
) -> None:
    run = _ended(session_factory, make_run, status)

    with (
        pytest.raises(IntegrityError, match="a run that is over does not change"),
        transaction(session_factory) as session,
    ):
        session.execute(text(f"UPDATE runs SET {change} WHERE id = :id"), {"id": run.id})

    with reading(session_factory) as session:
        assert session.get_one(Run, run.id).status == status


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_one_end_does_not_become_another(session_factory: SessionFactory, make_run: MakeRun, status: str) -> None:
    run = _ended(session_factory, make_run, status)

    for other in TERMINAL - {status}:
        with pytest.raises(IntegrityError), transaction(session_factory) as session:
            session.get_one(Run, run.id).status = other


def test_a_run_that_is_over_can_be_renamed_and_deleted(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = _ended(session_factory, make_run, "failed")

    with transaction(session_factory) as session:
        session.get_one(Run, run.id).name = "Another name"
    with transaction(session_factory) as session:
        session.delete(session.get_one(Run, run.id))

    with reading(session_factory) as session:
        assert session.get(Run, run.id) is None


def _ended(session_factory: SessionFactory, make_run: MakeRun, status: str) -> Run:
    run = make_run()
    with transaction(session_factory) as session:
        session.get_one(Run, run.id).status = status
    return run
