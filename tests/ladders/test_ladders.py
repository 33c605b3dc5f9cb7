"""Ladders climb by the rounds of anybody, on both databases; two rounds at once launch one rung."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from studio import ladders, runs
from studio.actors import LOCAL_ACTOR, Actor
from studio.datasets import DatasetVersion
from studio.db import SessionFactory, reading, transaction
from studio.errors import Conflict, InvalidInput, NotFound
from studio.ladders import Ladder, Sight
from studio.queue import SilentQueue
from studio.runs import Run, RunSpec
from studio.runs.events import BestMoved, Measured, PhaseBegan
from studio.settings import Settings

QUEUE = SilentQueue()
Start = Callable[..., str]


@pytest.fixture
def start(session_factory: SessionFactory, settings: Settings, version: DatasetVersion) -> Start:
    """Start a ladder of LoRA over the demo model; gives its id."""

    def _start(key: str | None = None, *, budget: dict[str, float] | None = None, **named: Any) -> str:
        data = {"dataset_version_id": version.id, "sha256": version.sha256}
        spec = RunSpec.model_validate({"data": data, "method": {"kind": "lora"}, "budget": budget or {}})
        with transaction(session_factory) as session:
            return ladders.start_ladder(
                session, LOCAL_ACTOR, spec, queue=QUEUE, settings=settings, idempotency_key=key, **named
            ).id

    return _start


@pytest.fixture
def climb(session_factory: SessionFactory, settings: Settings) -> Callable[[], int]:
    """Make one round over the ladders."""
    return lambda: ladders.climb(session_factory, queue=QUEUE, settings=settings)


def see(session_factory: SessionFactory, ladder_id: str) -> Sight:
    """The ladder as it stands."""
    with reading(session_factory) as session:
        sight = ladders.sight_of(session, ladders.get_ladder(session, LOCAL_ACTOR, ladder_id))
        assert sight.rungs
        return sight


def statuses(session_factory: SessionFactory, ladder_id: str) -> list[str]:
    """How its rungs stand."""
    return [rung.standing.status for rung in see(session_factory, ladder_id).rungs]


def finish(session_factory: SessionFactory, loss: float, status: str = "succeeded", *, hours: float = 1) -> None:
    """A worker takes the run that waits, trains it for so long from 3.0 to this loss, and ends it."""
    with transaction(session_factory) as session:
        lease = runs.claim_next(session, "w1")
        assert lease is not None
        measured = [Measured(step=step, values={"eval/loss": value}) for step, value in ((0, 3.0), (4, loss))]
        best = BestMoved(step=4, validation_loss=loss)
        runs.record(session, lease, [PhaseBegan(phase="training"), *measured, best])
        runs.end(session, lease, status, kind="internal" if status == "failed" else None)
        stint = session.get_one(runs.Stint, (lease.run_id, lease.epoch))
        stint.until = stint.began + 3600 * hours


def test_a_ladder_launches_its_first_rung_at_once(session_factory: SessionFactory, start: Start) -> None:
    sight = see(session_factory, start(name="Tickets"))

    assert (sight.ladder.status, sight.ladder.name, sight.ladder.min_gain) == ("climbing", "Tickets", 0.02)
    assert [rung.standing.label for rung in sight.rungs] == ["Prompt tuning", "LoRA, rank 8", "LoRA, rank 16"]
    assert [rung.standing.status for rung in sight.rungs] == ["queued", "waiting", "waiting"]
    assert sight.runs[0].name == "Tickets: Prompt tuning"
    assert (sight.runs[0].rung, sight.runs[0].method) == (0, "prompt_tuning")


def test_it_climbs_while_the_gain_is_worth_it_and_names_the_rung_to_keep(
    session_factory: SessionFactory, start: Start, climb: Callable[[], int]
) -> None:
    ladder_id = start()

    assert climb() == 0
    finish(session_factory, 2.0)
    assert (climb(), climb()) == (1, 0)
    finish(session_factory, 1.2)
    assert climb() == 1
    finish(session_factory, 1.19, hours=4)
    assert climb() == 1

    sight = see(session_factory, ladder_id)
    assert sight.ladder.status == "done"
    assert "LoRA, rank 16 lowered the validation loss by 0.8 %" in sight.ladder.outcome
    assert [rung.gain and round(rung.gain, 3) for rung in sight.rungs] == [None, 0.4, 0.008]
    assert [rung.is_kept for rung in sight.rungs] == [False, True, False]
    assert sight.keep is not None and sight.keep.sentence == (
        "Keep LoRA, rank 8: 99 % of the best quality for 25 % of the time."
    )
    assert climb() == 0


def test_it_stops_when_a_gain_is_too_small_and_can_be_told_to_climb_on(
    session_factory: SessionFactory, settings: Settings, start: Start, climb: Callable[[], int]
) -> None:
    ladder_id = start()
    finish(session_factory, 2.0)
    climb()
    finish(session_factory, 2.1)
    climb()
    stopped = statuses(session_factory, ladder_id)

    for _ in range(2):
        with transaction(session_factory) as session:
            ladders.climb_on(session, LOCAL_ACTOR, ladder_id, queue=QUEUE, settings=settings)
    climb()

    assert stopped == ["succeeded", "succeeded", "waiting"]
    assert statuses(session_factory, ladder_id) == ["succeeded", "succeeded", "queued"]
    finish(session_factory, 1.0)
    climb()
    assert see(session_factory, ladder_id).ladder.status == "done"
    with transaction(session_factory) as session, pytest.raises(Conflict, match="All rungs"):
        ladders.climb_on(session, LOCAL_ACTOR, ladder_id, queue=QUEUE, settings=settings)


def test_a_rung_that_fails_is_left_out(session_factory: SessionFactory, start: Start, climb: Callable[[], int]) -> None:
    ladder_id = start()

    finish(session_factory, 2.0, "failed")
    climb()

    assert statuses(session_factory, ladder_id) == ["failed", "queued", "waiting"]


def test_rounds_at_the_same_time_launch_one_rung(
    session_factory: SessionFactory, start: Start, climb: Callable[[], int]
) -> None:
    start()
    finish(session_factory, 2.0)
    moved: list[int] = []
    threads = [threading.Thread(target=lambda: moved.append(climb())) for _ in range(6)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(moved), sum(moved)) == (6, 1)
    with reading(session_factory) as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 2


def test_two_clicks_start_one_ladder(session_factory: SessionFactory, start: Start) -> None:
    assert start("one-click") == start("one-click")
    assert start("another-click") != start("one-click")
    with reading(session_factory) as session:
        assert session.scalar(select(func.count()).select_from(Ladder)) == 2


def test_two_clicks_at_the_same_time_start_one_ladder(session_factory: SessionFactory, start: Start) -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(start("one-click"))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(made), len(set(made))) == (4, 1)
    with reading(session_factory) as session:
        assert session.scalar(select(func.count()).select_from(Ladder)) == 1


@pytest.mark.parametrize(("cancel_runs", "status"), [(True, "cancelled"), (False, "queued")])
def test_a_ladder_that_is_stopped_asks_what_becomes_of_its_run(
    session_factory: SessionFactory, start: Start, climb: Callable[[], int], cancel_runs: bool, status: str
) -> None:
    ladder_id = start()

    for _ in range(2):
        with transaction(session_factory) as session:
            ladders.stop_ladder(session, LOCAL_ACTOR, ladder_id, cancel_runs=cancel_runs)
    climb()

    assert statuses(session_factory, ladder_id) == [status, "waiting", "waiting"]
    assert see(session_factory, ladder_id).ladder.outcome == "You stopped the ladder here."


def test_a_rung_that_a_person_cancels_stops_the_ladder(
    session_factory: SessionFactory, start: Start, climb: Callable[[], int]
) -> None:
    ladder_id = start()
    with transaction(session_factory) as session:
        runs.cancel(session, LOCAL_ACTOR, see(session_factory, ladder_id).runs[0].id)

    climb()

    assert see(session_factory, ladder_id).ladder.status == "stopped"
    assert statuses(session_factory, ladder_id) == ["cancelled", "waiting", "waiting"]


def test_the_cap_of_the_next_rung_is_what_is_left(
    session_factory: SessionFactory, start: Start, climb: Callable[[], int]
) -> None:
    ladder_id = start(budget={"max_hours": 10})
    finish(session_factory, 2.0, hours=1)
    climb()

    sight = see(session_factory, ladder_id)

    assert [run.run_spec.budget.max_hours for run in sight.runs] == [10.0, pytest.approx(9.0)]
    assert sight.spent.seconds == pytest.approx(3600)


def test_a_rung_that_is_refused_ends_the_climb_with_the_reason(
    session_factory: SessionFactory, start: Start, climb: Callable[[], int], version: DatasetVersion
) -> None:
    ladder_id = start()
    finish(session_factory, 2.0)
    with transaction(session_factory) as session:
        session.get_one(DatasetVersion, version.id).sha256 = "0" * 64

    climb()

    sight = see(session_factory, ladder_id)
    assert sight.ladder.status == "done"
    assert sight.ladder.outcome.startswith("LoRA, rank 8 could not be launched: The dataset's rows are not those")
    assert statuses(session_factory, ladder_id) == ["succeeded", "waiting", "waiting"]


@pytest.mark.parametrize(
    ("named", "field"),
    [
        ({"rungs": ["rank_16"]}, "ladder.rungs"),
        ({"min_gain": 0.6}, "ladder.min_gain"),
        ({"min_gain": -1}, "ladder.min_gain"),
    ],
)
def test_a_ladder_that_is_none_is_refused_by_field(start: Start, named: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        start(**named)

    assert field in caught.value.fields


def test_a_ladder_of_somebody_else_is_not_there(session_factory: SessionFactory, start: Start) -> None:
    ladder_id = start()

    with reading(session_factory) as session:
        assert ladders.list_ladders(session, Actor("usr_other")) == []
        with pytest.raises(NotFound):
            ladders.get_ladder(session, Actor("usr_other"), ladder_id)
