"""A chore is one worker's at a time, is not done twice for the same key, and can be stopped."""

import pytest
from sqlalchemy import update

from studio import chores
from studio.actors import LOCAL_ACTOR, Actor
from studio.chores import Chore, ChoreLease, ChoreLost
from studio.db import SessionFactory, reading, transaction
from studio.errors import NotFound
from studio.queue import SilentQueue


class Hints(SilentQueue):
    """Keeps the hints that were sent."""

    def __init__(self) -> None:
        self.chores: list[str] = []

    def send_chore(self, chore_id: str) -> None:
        """Keep it."""
        self.chores.append(chore_id)


def ask(factory: SessionFactory, key: str = "k", *, hints: Hints | None = None, again: bool = False) -> Chore:
    with transaction(factory) as session:
        return chores.ask(session, LOCAL_ACTOR, "checkup", key, {"n": 1}, queue=hints or Hints(), again=again)


def claim(factory: SessionFactory, worker: str = "w1") -> ChoreLease:
    with transaction(factory) as session:
        lease = chores.claim_next(session, worker)
    assert lease is not None
    return lease


def show(factory: SessionFactory, chore_id: str) -> Chore:
    with reading(factory) as session:
        return chores.get_chore(session, LOCAL_ACTOR, chore_id)


def let_lease_run_out(factory: SessionFactory) -> None:
    with transaction(factory) as session:
        session.execute(update(Chore).values(lease_until=0.0))


def test_the_same_work_is_asked_for_once_and_hinted_once(session_factory: SessionFactory) -> None:
    hints = Hints()

    first, second = ask(session_factory, hints=hints), ask(session_factory, hints=hints)

    assert first.id == second.id
    assert hints.chores == [first.id]


def test_done_work_is_not_done_again_unless_somebody_insists(session_factory: SessionFactory) -> None:
    first = ask(session_factory)
    with transaction(session_factory) as session:
        chores.finish(session, claim_in(session), {"found": 3})

    assert ask(session_factory).id == first.id
    assert ask(session_factory, again=True).id != first.id
    assert show(session_factory, first.id).result == {"found": 3}


def claim_in(session: object) -> ChoreLease:
    lease = chores.claim_next(session, "w1")  # type: ignore[arg-type]
    assert lease is not None
    return lease


def test_two_workers_never_hold_the_same_chore(session_factory: SessionFactory) -> None:
    ask(session_factory)
    claim(session_factory)

    with transaction(session_factory) as session:
        assert chores.claim_next(session, "w2") is None


def test_progress_is_shown(session_factory: SessionFactory) -> None:
    chore = ask(session_factory)
    with transaction(session_factory) as session:
        chores.report(session, claim_in(session), "Checking rows", 30, 120)

    shown = show(session_factory, chore.id)
    assert (shown.phase, shown.fraction) == ("Checking rows", 0.25)


def test_a_silent_worker_loses_its_chore_to_the_next_one(session_factory: SessionFactory) -> None:
    chore = ask(session_factory)
    silent = claim(session_factory)
    let_lease_run_out(session_factory)
    with transaction(session_factory) as session:
        assert chores.reap(session) == [chore.id]
    following = claim(session_factory, "w2")

    with pytest.raises(ChoreLost), transaction(session_factory) as session:
        chores.finish(session, silent, {})
    with transaction(session_factory) as session:
        chores.finish(session, following, {"by": "w2"})
    assert show(session_factory, chore.id).result == {"by": "w2"}


def test_a_dead_worker_is_not_waited_for(session_factory: SessionFactory) -> None:
    chore = ask(session_factory)
    claim(session_factory, "w1")

    with transaction(session_factory) as session:
        assert chores.reap(session, dead_owners=("w1",)) == [chore.id]


def test_a_chore_that_ends_its_worker_three_times_is_given_up(session_factory: SessionFactory) -> None:
    chore = ask(session_factory)
    for _ in range(chores.MOST_CLAIMS):
        claim(session_factory)
        with transaction(session_factory) as session:
            chores.reap(session, dead_owners=("w1",))

    shown = show(session_factory, chore.id)
    assert (shown.status, shown.problem.split(",")[0]) == ("failed", "It ended its worker three times")


def test_a_worker_that_stops_hands_its_chore_back_uncounted(session_factory: SessionFactory) -> None:
    chore = ask(session_factory)
    for _ in range(chores.MOST_CLAIMS + 1):
        with transaction(session_factory) as session:
            chores.hand_back(session, claim_in(session))

    assert show(session_factory, chore.id).status == "queued"


def test_a_cancelled_chore_is_lost_to_its_worker_and_can_be_asked_for_anew(session_factory: SessionFactory) -> None:
    chore = ask(session_factory)
    lease = claim(session_factory)
    with transaction(session_factory) as session:
        chores.cancel(session, LOCAL_ACTOR, chore.id)

    with pytest.raises(ChoreLost), transaction(session_factory) as session:
        chores.report(session, lease, "", 0, 0)
    assert ask(session_factory).id != chore.id


def test_what_is_over_cannot_be_cancelled(session_factory: SessionFactory) -> None:
    chore = ask(session_factory)
    with transaction(session_factory) as session:
        chores.fail(session, claim_in(session), "The rows are gone.")

    with transaction(session_factory) as session:
        assert chores.cancel(session, LOCAL_ACTOR, chore.id).status == "failed"


def test_a_waiting_chore_is_told_of_again_after_half_a_minute(session_factory: SessionFactory) -> None:
    chore = ask(session_factory)
    with transaction(session_factory) as session:
        assert chores.take_due(session) == [chore.id]
        assert chores.take_due(session) == []
        session.execute(update(Chore).values(dispatched_at=Chore.dispatched_at - chores.HINT_SECONDS - 1))
        assert chores.take_due(session) == [chore.id]


def test_somebody_elses_chore_is_as_absent_as_none(session_factory: SessionFactory) -> None:
    chore = ask(session_factory)

    with pytest.raises(NotFound), reading(session_factory) as session:
        chores.get_chore(session, Actor(id="usr_other"), chore.id)
