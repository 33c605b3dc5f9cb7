"""Ladders climb by the rounds of anybody, on both databases; two rounds at once launch one rung."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.datasets import DatasetVersion
from studio.db import SessionFactory, reading, transaction
from studio.ladders import Ladder
from studio.runs import Run
from tests.ladders.climbs import Start, finish, see, statuses


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
    assert "LoRA, rank 16 lowered the best validation loss by 0.8 % in 4 h more" in sight.ladder.outcome
    assert [round(rung.worth.gain or 0, 3) for rung in sight.rungs] == [0.333, 0.4, 0.008]
    assert [rung.is_kept for rung in sight.rungs] == [False, True, False]
    assert sight.keep is not None and sight.keep.sentence == (
        "Keep LoRA, rank 8: 99 % of the quality of LoRA, rank 16, in 60 min instead of 4 h."
    )
    assert climb() == 0


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


def test_a_ladder_climbs_on_while_nothing_has_been_learned_and_says_so(
    session_factory: SessionFactory, start: Start, climb: Callable[[], int]
) -> None:
    ladder_id = start()
    for loss in (2.9, 2.9):
        finish(session_factory, loss)
        climb()

    assert statuses(session_factory, ladder_id) == ["succeeded", "succeeded", "queued"]
    assert [note[:51] for note in see(session_factory, ladder_id).notes] == [
        "LoRA, rank 8 did not lower the best validation loss"
    ]


def test_a_ladder_that_cannot_be_climbed_is_stopped_and_those_behind_it_go_on(
    session_factory: SessionFactory, start: Start, climb: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = start("one"), start("two")
    for _ in range(2):
        finish(session_factory, 2.0)
    with transaction(session_factory) as session:
        ladder = session.get_one(Ladder, broken)
        kept, ladder.specs = ladder.specs, [{"version": 2}]

    assert climb() == 2

    assert f"{broken} could not be climbed" in caplog.text
    assert statuses(session_factory, sound) == ["succeeded", "queued", "waiting"]
    with transaction(session_factory) as session:
        ladder = session.get_one(Ladder, broken)
        assert (ladder.status, "Climb on to try again." in ladder.outcome) == ("stopped", True)
        ladder.specs = kept
    assert climb() == 0
    assert statuses(session_factory, broken) == ["succeeded", "waiting", "waiting"]


@pytest.mark.parametrize(
    ("devices", "estimated_for", "notes"),
    [
        ((), "L4 24 GB", []),
        (("NVIDIA L4", "CPU"), "L4 24 GB", []),
        (("CPU",), "CPU", ["Estimated for CPU, since no worker had L4 24 GB at their launch: LoRA, rank 8."]),
    ],
)
def test_rungs_are_estimated_for_the_chosen_hardware_as_long_as_a_worker_has_it(
    session_factory: SessionFactory,
    start: Start,
    climb: Callable[[], int],
    devices: tuple[str, ...],
    estimated_for: str,
    notes: list[str],
) -> None:
    ladder_id = start(hardware_id="l4")
    with transaction(session_factory) as session:
        for device in devices:
            sign = runs.Sign(device, "here", "0.1.0", None, device, 32 << 30, 2)
            runs.renew_worker(session, sign, run_id=None, note="")
    finish(session_factory, 2.0)
    climb()

    sight = see(session_factory, ladder_id)

    assert [rung.estimated_for for rung in sight.rungs] == ["L4 24 GB", estimated_for, ""]
    assert (sight.chosen_hardware, sight.notes) == ("L4 24 GB", notes)


def test_a_rung_that_other_hardware_trained_is_told(session_factory: SessionFactory, start: Start) -> None:
    ladder_id = start(hardware_id="l4")
    finish(session_factory, 2.0)
    with transaction(session_factory) as session:
        session.scalars(select(runs.Stint)).one().hardware = "t4"

    assert see(session_factory, ladder_id).notes == [
        "Trained on T4 16 GB and not on L4 24 GB, since the first free worker takes a rung: Prompt tuning."
    ]
