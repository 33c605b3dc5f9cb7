"""Ladders are started, stopped and climbed on by people, on both databases; two clicks make one."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from studio import ladders
from studio.actors import LOCAL_ACTOR, Actor
from studio.db import SessionFactory, reading, transaction
from studio.errors import Conflict, InvalidInput, NotFound
from studio.ladders import Ladder
from studio.settings import Settings
from tests.ladders.climbs import QUEUE, Start, finish, see, statuses


def test_a_ladder_launches_its_first_rung_at_once(session_factory: SessionFactory, start: Start) -> None:
    sight = see(session_factory, start(name="Tickets"))

    assert (sight.ladder.status, sight.ladder.name, sight.ladder.min_gain) == ("climbing", "Tickets", 0.02)
    assert [rung.standing.label for rung in sight.rungs] == ["Prompt tuning", "LoRA, rank 8", "LoRA, rank 16"]
    assert [rung.standing.status for rung in sight.rungs] == ["queued", "waiting", "waiting"]
    assert sight.runs[0].name == "Tickets: Prompt tuning"
    assert (sight.runs[0].rung, sight.runs[0].method) == (0, "prompt_tuning")


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


@pytest.mark.parametrize(
    ("named", "field"),
    [
        ({"rungs": ["rank_16"]}, "rungs"),
        ({"min_gain": 0.6}, "min_gain"),
        ({"min_gain": -1}, "min_gain"),
        ({"hardware_id": "a-card-with-a-name-of-more-than-forty-letters"}, "hardware"),
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
