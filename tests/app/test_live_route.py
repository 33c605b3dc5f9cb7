"""The stream's address: whose run it is, which cursors it takes, and what a closed tab leaves behind."""

from collections.abc import Callable

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

import app.live
from app.deps import Services
from app.live import streams
from app.live.streams import Streams
from studio.db import SessionFactory, transaction
from studio.runs import Run
from tests.app.conftest import wait_until
from tests.feeding import Feed


@pytest.fixture
def ended(session_factory: SessionFactory, make_run: Callable[..., Run]) -> Feed:
    """A run that is over, of three points with the numbers 2, 3 and 4."""
    feed = Feed(session_factory, make_run().id)
    feed.measure([1, 2, 3])
    feed.end()
    return feed


def kinds_of(text: str) -> list[str]:
    """The kinds of events, in their order."""
    return [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]


def test_closing_a_tab_frees_the_reader_and_no_connection_is_held(
    http: httpx2.Client, app: FastAPI, services: Services, make_run: Callable[..., Run], engine: Engine
) -> None:
    feed = Feed(services.session_factory, make_run().id, services.wire)
    found: Streams = app.state.streams

    with http.stream("GET", f"/runs/{feed.run_id}/stream?after={feed.last_seq}") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        lines = response.iter_lines()
        assert next(lines) == "retry: 1000"
        wait_until(lambda: feed.run_id in found._readers)
        wait_until(lambda: engine.pool.checkedout() == 0)  # type: ignore[attr-defined]
        feed.measure([1])
        assert "event: points" in (next(lines) for _ in range(4))

    wait_until(lambda: found.viewers == 0 and not found._readers)


def test_last_event_id_comes_before_the_cursor_of_the_page(client: TestClient, ended: Feed) -> None:
    address = f"/runs/{ended.run_id}/stream?after=0"

    whole = client.get(address)
    late = client.get(address, headers={"Last-Event-ID": str(ended.last_seq)})
    middle = client.get(address, headers={"Last-Event-ID": "3"})

    assert kinds_of(whole.text) == ["reset", "changed", "done"]
    assert kinds_of(late.text) == ["changed", "done"]
    assert 'data: [["train/loss",3,0.75,"num"]]' in middle.text


@pytest.mark.parametrize(
    "cursor", ["x", "1-2-3", "-1", "1-", "+1", " 1", "1.0", "0\n", "$", "١", str(2**63), "9" * 20, "9" * 5000]
)
def test_a_forged_cursor_is_refused(client: TestClient, ended: Feed, cursor: str) -> None:
    assert client.get(f"/runs/{ended.run_id}/stream", params={"after": cursor}).status_code == 400
    if cursor.isascii() and cursor == cursor.strip():
        headers = {"Last-Event-ID": cursor}
        assert client.get(f"/runs/{ended.run_id}/stream", headers=headers).status_code == 400


@pytest.mark.parametrize("cursor", ["1712345678901-0", "0-0", "1000", str(2**31), str(2**63 - 1)])
def test_a_cursor_of_another_run_or_of_the_earlier_version_is_told_to_read_again(
    client: TestClient, ended: Feed, cursor: str
) -> None:
    answer = client.get(f"/runs/{ended.run_id}/stream", headers={"Last-Event-ID": cursor})

    assert kinds_of(answer.text) == ["reset", "changed", "done"]
    assert f"id: {ended.last_seq}\nevent: reset" in answer.text


def test_who_missed_more_than_a_chart_can_show_reads_again(
    client: TestClient, ended: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.live, "MAX_MISSED", 2)

    answer = client.get(f"/runs/{ended.run_id}/stream?after=2")

    assert kinds_of(answer.text) == ["reset", "changed", "done"]


def test_points_of_another_run_are_never_told(
    client: TestClient, ended: Feed, session_factory: SessionFactory, make_run: Callable[..., Run]
) -> None:
    other = Feed(session_factory, make_run().id)
    other.measure(range(1, 50), "other/loss")

    answer = client.get(f"/runs/{ended.run_id}/stream?after=1")

    assert "other/loss" not in answer.text


def test_the_run_of_another_person_is_not_there(
    client: TestClient, ended: Feed, session_factory: SessionFactory
) -> None:
    with transaction(session_factory) as session:
        session.get_one(Run, ended.run_id).owner_id = "someone"

    assert client.get(f"/runs/{ended.run_id}/stream").status_code == 404


def test_more_viewers_than_the_limit_are_sent_away(
    client: TestClient, ended: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_VIEWERS", 0)

    assert client.get(f"/runs/{ended.run_id}/stream").status_code == 503
