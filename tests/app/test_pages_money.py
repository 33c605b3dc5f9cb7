"""A run's page says what it has cost, how that stands to its cap, and why it ended early."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from studio import runs
from studio.db import SessionFactory, transaction
from studio.runs import Run, Stint
from studio.runs.events import PhaseBegan, Progressed, Stopped

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
MakeRun = Callable[..., Run]


def test_a_run_that_goes_on_says_what_is_spent_of_its_cap(
    client: TestClient, session_factory: SessionFactory, make_run: MakeRun
) -> None:
    run = make_run(budget={"max_dollars": 10.0})
    _train(session_factory, run, hours=1.0, price=2.0, hours_left=1.5)

    page = client.get(f"/runs/{run.id}").text

    assert "$2.00 spent in 1 h 00 min, 20 % of its cap of $10.00" in page
    assert "About $5.00 in all" in page


def test_a_run_that_waits_says_where_it_stops(client: TestClient, make_run: MakeRun) -> None:
    waiting, free = make_run(budget={"max_dollars": 10.0, "max_hours": 1.5}), make_run("Free")

    pages = [client.get(f"/runs/{run.id}").text for run in (waiting, free)]

    assert "Stops at 1.5 h or $10.00" in pages[0] and "Stops at" not in pages[1]


def test_a_forecast_beyond_the_cap_is_said(
    client: TestClient, session_factory: SessionFactory, make_run: MakeRun
) -> None:
    run = make_run(budget={"max_hours": 2.0})
    _train(session_factory, run, hours=1.0, price=None, hours_left=1.5)

    page = client.get(f"/runs/{run.id}").text

    assert "1 h 00 min held, 50 % of its cap of 2 h" in page
    assert "At this pace it stops at its cap" in page and "</b> left" not in page


@pytest.mark.parametrize(
    ("by", "price", "sentence"),
    [
        ("early_stopping", 2.0, "Stopped early at step 420 of 1,000: $2.00 spent, $3.00 saved."),
        ("early_stopping", None, "Stopped early at step 420 of 1,000: 1 h 00 min held, 1 h 30 min saved."),
        (
            "max_dollars",
            2.0,
            "Stopped at step 420 of 1,000, at its cap of $2.00: $2.00 spent. The last weights are kept.",
        ),
    ],
)
def test_a_run_that_ended_early_says_why_and_what_it_saved(
    client: TestClient,
    session_factory: SessionFactory,
    make_run: MakeRun,
    by: str,
    price: float | None,
    sentence: str,
) -> None:
    run = make_run(budget={"max_dollars": 2.0})
    lease = _train(session_factory, run, hours=1.0, price=price, hours_left=1.5)
    saved = 5400.0 if by == "early_stopping" else None
    with transaction(session_factory) as session:
        runs.record(session, lease, [Stopped(by=by, step=420, total_steps=1000, seconds_saved=saved)])
        runs.end(session, lease, "succeeded")

    assert sentence in client.get(f"/runs/{run.id}").text
    assert ("stopped early" if saved else "stopped at its cap") in client.get("/runs").text
    told = client.get(f"/api/runs/{run.id}").json()
    assert (told["stopped_by"], told["seconds_saved"]) == (by, saved)
    assert told["spent_dollars"] == (None if price is None else pytest.approx(price, abs=0.01))
    assert told["spent_seconds"] == pytest.approx(3600, abs=5)
    assert client.get("/api/runs").json()["items"][0]["stopped_by"] == by


def test_weights_that_a_validation_picked_are_called_the_best(
    client: TestClient, session_factory: SessionFactory, make_run: MakeRun
) -> None:
    run = make_run(budget={"max_dollars": 2.0})
    lease = _train(session_factory, run, hours=1.0, price=2.0, hours_left=1.5)
    with transaction(session_factory) as session:
        runs.record(session, lease, [Stopped(by="max_dollars", step=420, total_steps=1000, seconds_saved=None)])
        runs.end(session, lease, "succeeded")
        session.get_one(Run, run.id).best_step = 400

    assert "$2.00 spent. The best weights are kept." in client.get(f"/runs/{run.id}").text


def _train(
    session_factory: SessionFactory, run: Run, *, hours: float, price: float | None, hours_left: float
) -> runs.Lease:
    with transaction(session_factory) as session:
        lease = runs.claim(session, run.id, "w1")
        assert lease is not None
        progress = Progressed(step=420, total_steps=1000, seconds_left=hours_left * 3600)
        runs.record(session, lease, [PhaseBegan(phase="training"), progress])
        stint = session.get_one(Stint, (run.id, lease.epoch))
        stint.began -= hours * 3600
        stint.dollars_per_hour = price
    return lease
