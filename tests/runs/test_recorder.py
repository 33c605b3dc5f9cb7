"""What a trainer says becomes rows exactly once, and only while its lease holds."""

import json
import math
from collections.abc import Callable

import pytest

from studio import runs
from studio.db import SessionFactory, reading, transaction
from studio.runs import Lease, Run, event_line, parse_event
from studio.runs.events import (
    Answer,
    Answered,
    BestMoved,
    Event,
    Measured,
    Noted,
    PhaseBegan,
    Progressed,
    Resolved,
    encode_value,
)

MakeRun = Callable[..., Run]

BATCH: list[Event] = [
    PhaseBegan(phase="training"),
    Resolved(config={"device": "cpu"}),
    Measured(step=0, values={"eval/loss": 4.0}),
    Measured(step=1, values={"train/loss": 3.0, "train/learning_rate": 1e-3}),
    Progressed(step=1, total_steps=9, seconds_left=8.0),
    Noted(kind="warning", message="Two rows were cut."),
    Answered(step=1, answers=[Answer(position=0, row_number=3, prompt="Say 2.", expected="It is 2.", answer="2")]),
    BestMoved(step=1, validation_loss=3.5),
    Measured(step=1, values={"eval/loss": 3.5}),
]


@pytest.fixture
def run(make_run: MakeRun) -> Run:
    return make_run()


@pytest.fixture
def lease(session_factory: SessionFactory, run: Run) -> Lease:
    with transaction(session_factory) as session:
        lease = runs.claim_next(session, "w1")
    assert lease is not None
    return lease


def test_a_batch_becomes_rows_and_columns(session_factory: SessionFactory, run: Run, lease: Lease) -> None:
    _record(session_factory, lease, BATCH)

    with reading(session_factory) as session:
        read = session.get_one(Run, run.id)
        assert (read.status, read.phase, read.step, read.total_steps, read.seconds_left) == (
            "running",
            "training",
            1,
            9,
            8.0,
        )
        assert (read.initial_validation_loss, read.last_validation_loss, read.last_train_loss) == (4.0, 3.5, 3.0)
        assert (read.best_step, read.best_validation_loss, read.resolved) == (1, 3.5, {"device": "cpu"})
        assert runs.series_names(session, read) == ["eval/loss", "train/learning_rate", "train/loss"]
        assert [answer.answer for answer in runs.read_answers(session, read)] == ["2"]
        assert [event.message for event in runs.read_events(session, read)][1:] == ["Two rows were cut."]


def test_a_batch_that_is_sent_twice_counts_once(session_factory: SessionFactory, run: Run, lease: Lease) -> None:
    _record(session_factory, lease, BATCH)
    before = _count(session_factory, run)

    _record(session_factory, lease, BATCH)

    assert _count(session_factory, run) == before


def test_a_batch_that_is_not_committed_leaves_nothing(session_factory: SessionFactory, run: Run, lease: Lease) -> None:
    before = _count(session_factory, run)

    with session_factory() as session:
        runs.record(session, lease, BATCH)
        session.rollback()

    assert _count(session_factory, run) == before


@pytest.mark.parametrize(
    ("value", "stored", "kind"),
    [
        (math.nan, None, "nan"),
        (math.inf, None, "inf"),
        (-math.inf, None, "-inf"),
        (-0.0, -0.0, "num"),
        (5e-324, 5e-324, "num"),
        (1.7976931348623157e308, 1.7976931348623157e308, "num"),
        (0.1, 0.1, "num"),
        (3, 3.0, "num"),
    ],
)
def test_every_float_survives_the_trip(
    session_factory: SessionFactory, run: Run, lease: Lease, value: float, stored: float | None, kind: str
) -> None:
    line = event_line(Measured(step=1, values={"train/loss": encode_value(value)}))

    _record(session_factory, lease, [parse_event(line)])

    with reading(session_factory) as session:
        (point,) = runs.read_series(session, run, "train/loss")
    assert (point.value, point.kind) == (stored, kind)


def test_the_last_loss_is_the_last_that_is_a_number(session_factory: SessionFactory, run: Run, lease: Lease) -> None:
    _record(session_factory, lease, [Measured(step=1, values={"train/loss": 2.0})])
    _record(session_factory, lease, [Measured(step=2, values={"train/loss": "nan"})])

    with reading(session_factory) as session:
        assert session.get_one(Run, run.id).last_train_loss == 2.0


@pytest.mark.parametrize(
    ("phase", "status"),
    [
        ("loading_model", "starting"),
        ("training", "running"),
        ("evaluating", "running"),
        ("exporting", "finalizing"),
    ],
)
def test_the_status_follows_the_phase(
    session_factory: SessionFactory, run: Run, lease: Lease, phase: str, status: str
) -> None:
    _record(session_factory, lease, [parse_event(json.dumps({"t": "phase", "phase": phase}))])

    with reading(session_factory) as session:
        read = session.get_one(Run, run.id)
    assert (read.status, read.phase) == (status, phase)


def test_a_large_batch_is_recorded(session_factory: SessionFactory, run: Run, lease: Lease) -> None:
    events: list[Event] = [
        Measured(step=step, values={"train/loss": 1.0, "train/grad_norm": 2.0}) for step in range(5000)
    ]

    _record(session_factory, lease, events)

    assert _count(session_factory, run)["points"] == 10_000


def _record(session_factory: SessionFactory, lease: Lease, events: list[Event]) -> None:
    with transaction(session_factory) as session:
        runs.record(session, lease, events)


def _count(session_factory: SessionFactory, run: Run) -> dict[str, int]:
    with reading(session_factory) as session:
        return {
            "points": session.query(runs.Point).filter_by(run_id=run.id).count(),
            "events": session.query(runs.RunEvent).filter_by(run_id=run.id).count(),
            "answers": session.query(runs.SampleAnswer).filter_by(run_id=run.id).count(),
        }
