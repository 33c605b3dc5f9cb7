"""What a person asks of a run: in every state, twice, and at the instant at which something else happens to it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from studio import runs
from studio.actors import LOCAL_ACTOR, Actor
from studio.db import SessionFactory, reading, transaction
from studio.errors import Conflict, NotFound
from studio.runs import Run
from studio.runs.actions import stop_and_keep
from studio.settings import Settings
from tests.runs.states import QUEUE, claimed, in_state, trained

MakeRun = Callable[..., Run]
ACTIONS: dict[str, Callable[..., Run]] = {
    "cancel": lambda session, run_id: runs.cancel(session, LOCAL_ACTOR, run_id),
    "pause": lambda session, run_id: runs.pause(session, LOCAL_ACTOR, run_id),
    "resume": lambda session, run_id: runs.resume(session, LOCAL_ACTOR, run_id, queue=QUEUE),
    "keep": lambda session, run_id: stop_and_keep(session, LOCAL_ACTOR, run_id, queue=QUEUE),
}
FINISHED, FAILED = "The run had already finished", "The run had already failed"
CANCELLED, CANCELLING = "The run was already cancelled", "The run is already being cancelled"
KEEPING, EMPTY = "The run is already stopping to keep", "This run has no checkpoint yet"
TOO_LATE = {"cancel": "before it could be cancelled.", "pause": "before it could be paused.", "keep": "Over."}
# What follows in each state: status and desire, or how the refusal begins. A run without a checkpoint.
OUTCOMES: dict[str, dict[str, tuple[str, str] | str]] = {
    "queued": {
        "cancel": ("cancelled", "cancel"),
        "pause": ("queued", "pause"),
        "resume": ("queued", "run"),
        "keep": EMPTY,
    },
    "paused": {
        "cancel": ("cancelled", "cancel"),
        "pause": ("queued", "pause"),
        "resume": ("queued", "run"),
        "keep": EMPTY,
    },
    "running": {
        "cancel": ("running", "cancel"),
        "pause": ("running", "pause"),
        "resume": ("running", "run"),
        "keep": ("running", "keep"),
    },
    "pausing": {
        "cancel": ("running", "cancel"),
        "pause": ("running", "pause"),
        "resume": ("running", "run"),
        "keep": ("running", "keep"),
    },
    "keeping": {"cancel": ("running", "cancel"), "pause": KEEPING, "resume": KEEPING, "keep": ("running", "keep")},
    "cancelling": {"cancel": ("running", "cancel"), "pause": CANCELLING, "resume": CANCELLING, "keep": CANCELLING},
    "succeeded": dict.fromkeys(ACTIONS, FINISHED),
    "failed": dict.fromkeys(ACTIONS, FAILED),
    "cancelled": {"cancel": ("cancelled", "run"), "pause": CANCELLED, "resume": CANCELLED, "keep": CANCELLED},
}


@pytest.mark.parametrize("state", OUTCOMES)
def test_each_action_in_each_state_twice(session_factory: SessionFactory, make_run: MakeRun, state: str) -> None:
    for action, expected in OUTCOMES[state].items():
        run = make_run()
        in_state(session_factory, run, state)

        for _ in range(2):
            told = _asked(session_factory, action, run)
            assert told == expected if isinstance(expected, tuple) else str(told).startswith(expected), (state, action)

        kinds = [event.kind for event in _events(session_factory, run)]
        assert len(kinds) == len(set(kinds)), "an action that changes nothing tells nothing"


@pytest.mark.parametrize("state", OUTCOMES)
def test_what_is_offered_is_what_is_not_refused(
    session_factory: SessionFactory, make_run: MakeRun, settings: Settings, state: str
) -> None:
    run = make_run()
    in_state(session_factory, run, state, settings.runs_dir)
    offered = runs.allowed_actions(_read(session_factory, run), has_checkpoint=True)

    for action in ("retry", "again"):
        assert (action in offered) == (state in runs.TERMINAL and (action, state) != ("retry", "succeeded"))
    for action in [action for action in offered if action in ACTIONS and state not in runs.TERMINAL]:
        other = make_run()
        in_state(session_factory, other, state, settings.runs_dir)
        assert isinstance(_asked(session_factory, action, other), tuple), (state, action)


def test_a_paused_run_is_not_claimed_and_holds_no_worker(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    in_state(session_factory, run, "paused")

    with transaction(session_factory) as session:
        assert runs.claim_next(session, "w1") is None
    assert _read(session_factory, run).status_words == "Paused"


def test_a_resumed_run_keeps_its_place(session_factory: SessionFactory, make_run: MakeRun) -> None:
    first, second = make_run("first"), make_run("second")
    in_state(session_factory, first, "paused")

    _asked(session_factory, "resume", first)

    with transaction(session_factory) as session:
        lease = runs.claim_next(session, "w1")
    assert lease is not None and lease.run_id == first.id != second.id


def test_resuming_sends_a_hint_after_the_commit(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    in_state(session_factory, run, "paused")
    heard: list[str] = []

    class Heard:
        def send(self, run_id: str) -> None:
            with transaction(session_factory) as session:
                heard.append(session.get_one(Run, run_id).desired)

    with transaction(session_factory) as session:
        runs.resume(session, LOCAL_ACTOR, run.id, queue=Heard())
        assert heard == []

    assert heard == ["run"]


def test_a_paused_run_with_a_checkpoint_can_be_kept_by_the_next_worker(
    session_factory: SessionFactory, make_run: MakeRun, settings: Settings
) -> None:
    run = make_run()
    in_state(session_factory, run, "paused", settings.runs_dir)

    assert _asked(session_factory, "keep", run) == ("queued", "keep")

    with transaction(session_factory) as session:
        lease = runs.claim_next(session, "w1")
        assert lease is not None and runs.read_desire(session, lease) == "keep"


def test_the_words_of_events_say_what_happened(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    for action in ("pause", "resume", "cancel"):
        _asked(session_factory, action, run)

    assert [event.message for event in _events(session_factory, run)] == [
        "The run was paused: nothing is spent while it waits.",
        "The run was resumed; it kept its place in the queue.",
        "The run was cancelled before it started.",
    ]


def test_another_person_can_do_nothing(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run, stranger = make_run(), Actor(id="usr_other")

    with transaction(session_factory) as session:
        for ask in (runs.cancel, runs.pause):
            with pytest.raises(NotFound):
                ask(session, stranger, run.id)
        for ask_queue in (runs.resume, stop_and_keep):
            with pytest.raises(NotFound):
                ask_queue(session, stranger, run.id, queue=QUEUE)


@pytest.mark.parametrize("rounds", [8, pytest.param(170, marks=pytest.mark.faults)])
@pytest.mark.parametrize("action", ["cancel", "pause", "keep"])
@pytest.mark.parametrize("status", ["succeeded", "failed"])
def test_an_action_at_the_instant_of_the_end_has_one_winner_that_is_told(
    session_factory: SessionFactory, make_run: MakeRun, action: str, status: str, rounds: int
) -> None:
    in_time = 0
    for _ in range(rounds):
        run = make_run()
        lease = in_state(session_factory, run, "running")
        assert lease is not None

        _, told = _at_once(
            lambda lease=lease: _end(session_factory, lease, status),
            lambda run=run: _asked(session_factory, action, run),
        )

        after = _read(session_factory, run)
        last = _events(session_factory, run)[-1].message
        assert after.status == status
        if isinstance(told, tuple):
            assert told == ("running", action)
            assert last.endswith(TOO_LATE[action])
            in_time += 1
        else:
            assert told.startswith((FINISHED, FAILED)) and after.desired == "run"
    print(f"{action} against the end as {status}: {in_time} asked in time, {rounds - in_time} told that it was over")


@pytest.mark.parametrize("rounds", [8, pytest.param(170, marks=pytest.mark.faults)])
@pytest.mark.parametrize("action", ["cancel", "pause"])
def test_an_action_at_the_instant_of_the_claim_is_done_by_one_of_the_two(
    session_factory: SessionFactory, make_run: MakeRun, action: str, rounds: int
) -> None:
    for _ in range(rounds):
        run = make_run()

        lease, told = _at_once(
            lambda run=run: _claim(session_factory, run), lambda run=run: _asked(session_factory, action, run)
        )

        after = _read(session_factory, run)
        at_once = ("cancelled", "cancel") if action == "cancel" else ("queued", "pause")
        assert told in {at_once, ("starting", action)}
        assert (after.status, after.desired) == told
        assert (lease is None) == (told == at_once)


@pytest.mark.parametrize("rounds", [8, pytest.param(170, marks=pytest.mark.faults)])
@pytest.mark.parametrize(("action", "expected"), [("cancel", ("cancelled", "cancel")), ("pause", ("queued", "pause"))])
def test_an_action_while_a_run_is_handed_back_is_done_whichever_comes_first(
    session_factory: SessionFactory, make_run: MakeRun, action: str, expected: tuple[str, str], rounds: int
) -> None:
    for _ in range(rounds):
        run = make_run()
        lease = in_state(session_factory, run, "running")
        assert lease is not None

        _at_once(
            lambda lease=lease: _hand_back(session_factory, lease),
            lambda run=run: _asked(session_factory, action, run),
        )

        after = _read(session_factory, run)
        assert (after.status, after.desired) == expected


def test_keeping_while_a_run_is_handed_back_leaves_it_to_the_next_worker(
    session_factory: SessionFactory, make_run: MakeRun, settings: Settings
) -> None:
    for _ in range(8):
        run = make_run()
        lease = claimed(session_factory, run)
        trained(session_factory, lease, settings.runs_dir, last=2)

        _at_once(
            lambda lease=lease: _hand_back(session_factory, lease),
            lambda run=run: _asked(session_factory, "keep", run),
        )

        after = _read(session_factory, run)
        assert (after.status, after.desired) == ("queued", "keep")
        assert _claim(session_factory, run) is not None


def _at_once(*calls: Callable[[], object]) -> list[object]:
    barrier = Barrier(len(calls))

    def _call(call: Callable[[], object]) -> object:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(_call, calls))


def _asked(session_factory: SessionFactory, action: str, run: Run) -> tuple[str, str] | str:
    """Status and desire after the action, or the sentence of its refusal."""
    try:
        with transaction(session_factory) as session:
            done = ACTIONS[action](session, run.id)
            return done.status, done.desired
    except Conflict as refusal:
        return refusal.message


def _end(session_factory: SessionFactory, lease: runs.Lease, status: str) -> None:
    with transaction(session_factory) as session:
        runs.end(session, lease, status, kind="internal" if status == "failed" else None, reason="Over.")


def _claim(session_factory: SessionFactory, run: Run) -> runs.Lease | None:
    with transaction(session_factory) as session:
        return runs.claim(session, run.id, "w1")


def _hand_back(session_factory: SessionFactory, lease: runs.Lease) -> None:
    with transaction(session_factory) as session:
        runs.hand_back(session, lease, "The studio was stopped.")


def _read(session_factory: SessionFactory, run: Run) -> Run:
    with reading(session_factory) as session:
        return session.get_one(Run, run.id)


def _events(session_factory: SessionFactory, run: Run) -> list[runs.RunEvent]:
    with reading(session_factory) as session:
        return runs.read_events(session, run)
