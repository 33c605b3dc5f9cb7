"""Every error of the API has one shape, pages get a page or a partial, and nothing of the inside is shown."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.deps import Services
from app.main import create_app
from studio.db import make_engine, make_session_factory
from studio.errors import Conflict, InvalidInput
from studio.settings import Settings
from tests.app.routes import SOME_ID

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def failing(app: FastAPI) -> Iterator[TestClient]:
    """The application with routes that fail in every way there is."""
    failures: dict[str, Callable[[], Exception]] = {
        "crash": lambda: RuntimeError("the password is hunter2"),
        "conflict": lambda: Conflict("This run had already finished."),
        "invalid": lambda: InvalidInput("Look again.", fields={"a.b": "No."}, problems=["row 17: no"]),
    }
    for name, make in failures.items():

        def fail(make: Callable[[], Exception] = make) -> None:
            raise make()

        app.get(f"/api/{name}")(fail)
        app.get(f"/{name}")(fail)
    with TestClient(app, base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nowhere", 404, "not_found"),
        ("GET", f"/api/runs/{SOME_ID}", 404, "not_found"),
        ("GET", "/api/runs/forged", 404, "not_found"),
        ("PUT", "/api/runs", 405, "method_not_allowed"),
        ("POST", "/api/runs", 415, "unsupported_file"),
        ("POST", "/api/runs/plan", 422, "invalid"),
        ("GET", "/api/runs?limit=0", 422, "invalid"),
        ("POST", "/api/datasets", 422, "invalid"),
        ("GET", "/api/crash", 500, "internal"),
        ("GET", "/api/conflict", 409, "conflict"),
        ("GET", "/api/invalid", 422, "invalid"),
    ],
)
def test_one_shape_for_every_error(failing: TestClient, method: str, path: str, status: int, code: str) -> None:
    answer = failing.request(method, path)

    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    error = answer.json()["error"]
    assert list(error) == ["code", "message", "fields", "problems", "request_id"]
    assert error["code"] == code
    assert error["message"].endswith(".")
    assert error["request_id"].startswith("req_")
    assert all(isinstance(sentence, str) for sentence in error["fields"].values())


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Host": "evil.test"}, 400), ({"Origin": "null"}, 403), ({"Content-Length": str(10**12)}, 413)],
)
def test_refusals_before_the_routes_have_the_same_shape(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/api/runs", headers=headers)

    assert answer.status_code == status
    assert list(answer.json()["error"]) == ["code", "message", "fields", "problems", "request_id"]


def test_fields_and_problems_are_told(failing: TestClient) -> None:
    error = failing.get("/api/invalid").json()["error"]

    assert error["fields"] == {"a.b": "No."}
    assert error["problems"] == ["row 17: no"]


def test_fields_of_a_spec_are_named_without_the_tag_of_its_method(client: TestClient) -> None:
    spec = {
        "data": {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64},
        "method": {"kind": "lora", "rank": 0},
        "hyperparameters": {"epochs": -1, "owner": "me"},
    }

    fields = client.post("/api/runs", json={"spec": spec, "owner_id": "x"}).json()["error"]["fields"]

    assert set(fields) == {"spec.method.rank", "spec.hyperparameters.epochs", "spec.hyperparameters.owner", "owner_id"}


@pytest.mark.parametrize("path", ["/api/crash", "/crash"])
def test_a_crash_is_logged_under_its_id_and_never_shown(
    failing: TestClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = failing.get(path)

    assert answer.status_code == 500
    assert "hunter2" not in answer.text and "Traceback" not in answer.text and "RuntimeError" not in answer.text
    record = next(record for record in caplog.records if record.name == "app.errors")
    assert record.getMessage().split("(")[1].rstrip(")") in answer.text
    assert record.exc_info is not None


def test_a_page_gets_a_page_and_htmx_a_part_of_one(failing: TestClient) -> None:
    page = failing.get("/conflict", headers={"Accept": "text/html"})
    part = failing.get("/conflict", headers={"HX-Request": "true"})

    assert page.status_code == part.status_code == 409
    assert page.text.lstrip().lower().startswith("<!doctype html>")
    assert "<html" not in part.text
    assert "This run had already finished." in page.text
    assert "This run had already finished." in part.text


def test_text_of_a_client_is_escaped_in_an_error_page(client: TestClient) -> None:
    assert "<script>alert" not in client.get("/<script>alert(1)</script>").text


def test_a_database_that_does_not_answer_is_told_in_a_sentence(
    web_settings: Settings, services: Services, tmp_path: Path
) -> None:
    gone = make_engine(f"sqlite:///{tmp_path / 'no-folder' / 'gone.sqlite'}")
    lost = Services(
        settings=web_settings,
        session_factory=make_session_factory(gone),
        storage=services.storage,
        queue=services.queue,
        wire=services.wire,
    )
    with TestClient(create_app(web_settings, lost), base_url="http://localhost") as client:
        answer, ready = client.get("/api/runs"), client.get("/readyz")

    assert answer.status_code == 503
    assert "database" in answer.json()["error"]["message"]
    assert ready.status_code == 503
    assert ready.json()["parts"] == {"database": False, "storage": True, "redis": True}
    gone.dispose()


def test_a_studio_whose_parts_answer_is_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {
        "ready": True,
        "parts": {"database": True, "storage": True, "redis": True},
    }


def test_a_page_without_the_database_looks_again_by_itself_and_a_click_does_not(
    web_settings: Settings, services: Services, tmp_path: Path
) -> None:
    gone = make_engine(f"sqlite:///{tmp_path / 'no-folder' / 'gone.sqlite'}")
    lost = replace(services, session_factory=make_session_factory(gone))
    renews = '<meta http-equiv="refresh" content="5">'

    with TestClient(create_app(web_settings, lost), base_url="http://localhost") as client:
        page, click = client.get("/runs"), client.post("/runs/run_01k0000000000000000000000a/pause")

    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert renews in page.text and "running trainings go on" in page.text
    assert click.status_code == 503 and renews not in click.text
    gone.dispose()
