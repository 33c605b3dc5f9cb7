"""Alerts on a run's page and over the API: what is seen, why, and one click to the next step."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from studio.db import SessionFactory, transaction
from studio.runs import Alert, Run
from tests.app.rows import set_run

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
OVERFITS = {"best_step": 300.0, "best": 1.2, "validation": 1.41, "training": 0.3}


@pytest.fixture
def overfitting(make_run: Callable[..., Run], session_factory: SessionFactory) -> Run:
    """A run in its middle whose validation loss has risen since step 300."""
    run = make_run("Learns by heart")
    set_run(session_factory, run, status="running", phase="training", epoch=1, step=420, best_step=300)
    _alert(session_factory, run, "overfitting", 420, OVERFITS)
    return run


def test_an_alert_says_what_is_seen_what_it_means_and_what_to_do(client: TestClient, overfitting: Run) -> None:
    page = client.get(f"/runs/{overfitting.id}/status").text

    assert "Validation loss has risen from 1.2 at step 300 to 1.41, while training loss fell to 0.3" in page
    assert "the run memorises its rows" in page
    assert "Stop here and keep step 300, or run again with half the learning rate (0.0001), dropout 0.1 or" in page
    assert "Stop and keep step 300</button>" in page
    assert 'hx-post="/runs/' in page and "again?suggestion=dropout" in page


def test_the_worst_alert_comes_first_and_only_it_offers_to_stop(
    client: TestClient, overfitting: Run, session_factory: SessionFactory
) -> None:
    _alert(session_factory, overfitting, "divergence", 500, {"from": 1.3, "to": 7.1, "since": 460})

    page = client.get(f"/runs/{overfitting.id}/status").text

    assert page.index("The loss explodes") < page.index(">Overfitting")
    assert page.count('id="alert-keep"') == 1


def test_a_click_on_a_suggestion_launches_it(client: TestClient, overfitting: Run) -> None:
    answer = client.post(f"/runs/{overfitting.id}/again?suggestion=dropout", follow_redirects=True)

    assert answer.status_code == 200
    launched = client.get(f"/api{answer.url.path}").json()
    assert launched["spec"]["method"]["dropout"] == 0.1
    assert launched["parent_run_id"] == overfitting.id


def test_once_the_run_is_over_only_other_settings_are_left(
    client: TestClient, overfitting: Run, session_factory: SessionFactory
) -> None:
    set_run(session_factory, overfitting, status="succeeded", phase="done")

    page = client.get(f"/runs/{overfitting.id}").text

    assert "Run again with half the learning rate (0.0001), dropout 0.1 or 1.5 epochs. More rows" in page
    assert 'id="alert-keep"' not in page


@pytest.mark.parametrize(("by", "shown"), [("max_hours", True), ("early_stopping", False), (None, False)])
def test_a_forecast_of_the_cap_stands_only_where_the_cap_was_reached(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory, by: str | None, shown: bool
) -> None:
    run = make_run(budget={"max_hours": 0.5})
    _alert(session_factory, run, "over_budget", 6, {"forecast_hours": 2.0, "cap_hours": 0.5})
    set_run(session_factory, run, status="succeeded", phase="done", stopped_by=by)

    page = client.get(f"/runs/{run.id}").text

    assert "The run will reach its cap" not in page
    assert ("The run reached its cap" in page) == shown
    assert ("It was forecast to take 2.0 hours in all, and stopped at its cap of 30 minutes" in page) == shown
    assert "Let it go on to its cap" not in page


def test_what_another_version_has_found_is_left_out(
    client: TestClient, overfitting: Run, session_factory: SessionFactory
) -> None:
    _alert(session_factory, overfitting, "moonstruck", 7, {})
    _alert(session_factory, overfitting, "divergence", 8, {"other": 1.0})

    found = client.get(f"/api/runs/{overfitting.id}").json()["alerts"]

    assert [alert["kind"] for alert in found] == ["overfitting"]
    assert found[0]["title"] == "Overfitting" and found[0]["step"] == 420
    assert [one["key"] for one in found[0]["suggestions"]] == ["learning-rate", "dropout", "epochs"]


def _alert(session_factory: SessionFactory, run: Run, kind: str, step: int, facts: dict[str, float]) -> None:
    with transaction(session_factory) as session:
        session.add(Alert(run_id=run.id, kind=kind, epoch=1, step=step, facts=facts))
