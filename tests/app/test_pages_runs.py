"""The list of runs, and what holds for all pages."""

import re
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

from studio.adapters import Adapter
from studio.db import SessionFactory
from studio.runs import Run
from tests.app.rows import set_run

LIST_PAGES = ("/", "/active-runs", "/runs", "/runs?status=active", "/datasets", "/adapters", "/runs/new")


@pytest.fixture
def count_statements(engine: Engine, client: TestClient) -> Callable[[str], int]:
    """Count the SQL statements of a page."""

    def _count(path: str) -> int:
        statements: list[str] = []
        listener = lambda *arguments: statements.append(arguments[2])  # noqa: E731
        event.listen(engine, "before_cursor_execute", listener)
        try:
            assert client.get(path).status_code == 200
        finally:
            event.remove(engine, "before_cursor_execute", listener)
        return len(statements)

    return _count


def test_an_empty_list_offers_the_next_step(client: TestClient) -> None:
    assert "No run yet" in client.get("/runs").text
    assert "Try the demo" in client.get("/").text


def test_the_list_filters_by_status(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    set_run(session_factory, make_run("One that failed"), status="failed", failure_kind="oom_gpu")
    make_run("One that waits")

    failed = client.get("/runs?status=failed").text

    assert "One that failed" in failed
    assert "One that waits" not in failed
    assert "No run of this status." in client.get("/runs?status=cancelled").text


@pytest.mark.parametrize("path", LIST_PAGES)
def test_lists_take_a_constant_number_of_statements(
    client: TestClient, count_statements: Callable[[str], int], make_adapter: Callable[[bytes], Adapter], path: str
) -> None:
    make_adapter(b"one")
    before = count_statements(path)
    for number in range(4):
        make_adapter(f"another {number}".encode())

    assert count_statements(path) == before


def test_the_demo_imports_its_dataset_once(client: TestClient) -> None:
    first = client.post("/demo", follow_redirects=False)
    second = client.post("/demo", follow_redirects=False)

    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["location"] != second.headers["location"]
    assert client.get("/datasets").text.count("Support tickets (demo)") == 1


def test_no_page_asks_for_what_the_policy_forbids(
    app: FastAPI, client: TestClient, make_run: Callable[..., Run]
) -> None:
    run = make_run("Any")
    forbidden = re.compile(r"<style|style=|<script(?![^>]*src=)|\son\w+=|hx-on|js:|hx-trigger=\"[^\"]*\[")

    for path in ("/", "/datasets", "/datasets/new", "/runs", "/runs/new", "/adapters", f"/runs/{run.id}", "/nowhere"):
        assert not forbidden.search(client.get(path).text), path
