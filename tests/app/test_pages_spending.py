"""The spending page, its CSV and its API say the same, and unknown prices are said."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

from studio.db import SessionFactory, transaction
from studio.runs import Run, Stint

# What is shown is the same on both databases; sums are tested on both elsewhere.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

MakeRun = Callable[..., Run]
OCTOBER = datetime(2026, 10, 5, tzinfo=UTC).timestamp()


def test_a_studio_that_never_ran_says_so(client: TestClient) -> None:
    page = client.get("/spending").text

    assert "Nothing spent yet" in page
    assert 'href="/spending/prices"' in page
    assert 'href="/spending" aria-current="page"' in page


def test_a_month_shows_hours_dollars_and_what_had_no_price(
    client: TestClient, session_factory: SessionFactory, make_run: MakeRun
) -> None:
    priced, unpriced = make_run("Priced"), make_run("=SUM(A1)")
    with transaction(session_factory) as session:
        session.get_one(Run, unpriced.id).kind = "trial"
    _held(session_factory, priced, hours=1.5, price=2.0)
    _held(session_factory, unpriced, hours=0.5, price=None)

    page = client.get("/spending?month=2026-10").text
    today = client.get("/spending").text
    csv_lines = list(csv.DictReader(io.StringIO(client.get("/spending/attempts.csv?month=2026-10").text)))
    api = client.get("/api/spending?by=run&month=2026-10").json()["items"]

    assert "October 2026" in page
    assert "$3.00" in page
    assert "and 30 min 00 s without a price" in page
    assert "2 h 00 min" in page
    assert page.count('<span class="sub">launched') == 1
    assert page.count('<span class="sub">trial run, launched') == 1
    assert "No run held hardware in this month." in today
    assert {(line["run"], line["hours"], line["dollars"]) for line in csv_lines} == {
        ("Priced", "1.5", "3.0"),
        ("'=SUM(A1)", "0.5", ""),
    }
    assert {(total["label"], total["dollars"], total["unpriced_seconds"]) for total in api} == {
        ("Priced", 3.0, 0.0),
        ("=SUM(A1)", None, 1800.0),
    }


@pytest.mark.parametrize("query", ["month=2026-13", "month=x", "month=2026-1"])
def test_a_month_that_is_none_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/spending?{query}").status_code == 422
    assert client.get(f"/api/spending?{query}").status_code == 422


def test_many_runs_take_no_more_queries(
    client: TestClient, session_factory: SessionFactory, make_run: MakeRun, engine: Engine
) -> None:
    _held(session_factory, make_run(), hours=1.0, price=2.0)
    few = _count_queries(client, engine)
    for number in range(60):
        _held(session_factory, make_run(f"Run {number}"), hours=1.0, price=2.0)

    assert _count_queries(client, engine) == few
    page = client.get("/spending?month=2026-10").text
    assert "The newest 50; the CSV has all of them" in page
    assert "$122.00" in page


def _held(session_factory: SessionFactory, run: Run, *, hours: float, price: float | None) -> None:
    with transaction(session_factory) as session:
        session.add(Stint(run_id=run.id, epoch=1, began=OCTOBER, until=OCTOBER + hours * 3600, dollars_per_hour=price))


def _count_queries(client: TestClient, engine: Engine) -> int:
    seen: list[str] = []

    def _note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", _note)
    client.get("/spending?month=2026-10")
    event.remove(engine, "before_cursor_execute", _note)
    return len(seen)
