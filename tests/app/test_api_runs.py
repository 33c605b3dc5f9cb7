"""Runs, methods and adapters over the API: launch once, plan, watch, cancel, download."""

import json
import threading
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
import redis
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.deps import Services
from studio.adapters import Adapter
from studio.datasets import DatasetVersion
from studio.db import SessionFactory, transaction
from studio.methods import METHODS
from studio.runs import Point, Run, RunSpec
from studio.runs.folders import attempt_folder


@pytest.fixture
def spec(version: DatasetVersion) -> dict[str, Any]:
    """The smallest spec that can be launched."""
    data = {"dataset_version_id": version.id, "sha256": version.sha256}
    return {"data": data, "base_model": {"id": "Qwen/Qwen3-0.6B"}}


def test_a_run_is_launched_shown_and_cancelled(client: TestClient, spec: dict[str, Any], empty_redis: str) -> None:
    launched = client.post("/api/runs", json={"spec": spec, "name": "First"})

    assert launched.status_code == 201, launched.text
    run = launched.json()
    assert launched.headers["location"] == f"/api/runs/{run['id']}"
    assert (run["name"], run["status"], run["adapter_id"]) == ("First", "queued", None)
    assert run["total_steps"] == client.post("/api/runs/plan", json={"spec": spec}).json()["steps"]
    assert client.get("/api/runs?status=queued").json()["items"][0]["id"] == run["id"]
    assert client.get("/api/runs?status=failed").json()["items"] == []
    with redis.Redis.from_url(empty_redis) as valkey:
        message = json.loads(valkey.lindex("tunewright:gpu", 0))
        assert run["id"] in message["headers"]["argsrepr"]

    cancelled = client.post(f"/api/runs/{run['id']}/cancel")

    assert cancelled.json()["status_words"] == "Cancelled"
    assert [event["kind"] for event in client.get(f"/api/runs/{run['id']}/events").json()] == ["queued", "cancelled"]
    followed = client.get(f"/runs/{run['id']}/stream").text
    assert "event: changed" in followed and "event: done" in followed
    assert client.post(f"/api/runs/{run['id']}/cancel").status_code == 200


def test_a_spec_survives_yaml(client: TestClient, spec: dict[str, Any]) -> None:
    first = client.post("/api/runs", json={"spec": spec | {"method": {"kind": "dora", "rank": 8}}}).json()
    text = client.get(f"/api/runs/{first['id']}/spec.yaml")

    second = client.post(
        "/api/runs",
        params={"name": "Again", "parent_run_id": first["id"]},
        content=text.content,
        headers={"Content-Type": "application/yaml"},
    )

    assert text.headers["content-type"].startswith("application/yaml")
    assert second.status_code == 201, second.text
    assert second.json()["spec"] == first["spec"]
    assert (second.json()["name"], second.json()["parent_run_id"]) == ("Again", first["id"])


def test_the_same_idempotency_key_gives_the_same_run(client: TestClient, spec: dict[str, Any]) -> None:
    ids = set()
    barrier = threading.Barrier(4)

    def launch() -> None:
        barrier.wait()
        for _ in range(5):
            answer = client.post("/api/runs", json={"spec": spec}, headers={"Idempotency-Key": "one"})
            if answer.status_code == 201:
                ids.add(answer.json()["id"])
                return
            assert answer.status_code == 409

    threads = [threading.Thread(target=launch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids) == 1
    assert len(client.get("/api/runs").json()["items"]) == 1


def test_a_spec_that_names_other_rows_is_refused_by_field(client: TestClient, spec: dict[str, Any]) -> None:
    other = spec | {"data": spec["data"] | {"sha256": "0" * 64}}

    for path in ("/api/runs", "/api/runs/plan"):
        answer = client.post(path, json={"spec": other})

        assert answer.status_code == 422
        assert list(answer.json()["error"]["fields"]) == ["data.sha256"]


def test_the_row_is_there_when_the_answer_is(http: httpx2.Client, spec: dict[str, Any]) -> None:
    """The commit comes before the response: on a real socket, another connection sees the run at once."""
    for _ in range(20):
        made = http.post("/api/runs", json={"spec": spec})
        assert http.get(made.headers["location"]).status_code == 200


def test_reading_waits_for_no_writer(client: TestClient, engine: Engine, make_run: Callable[..., Run]) -> None:
    run = make_run()
    with engine.begin() as writer:
        writer.execute(text("UPDATE runs SET name = 'locked'"))

        answers = [client.get(path) for path in (f"/api/runs/{run.id}", "/api/runs", "/api/adapters", "/readyz")]

    assert [answer.status_code for answer in answers] == [200] * 4


def test_metrics_log_and_answers_of_a_run(
    client: TestClient, services: Services, session_factory: SessionFactory, make_run: Callable[..., Run]
) -> None:
    run = make_run()
    with transaction(session_factory) as session:
        for step, value in enumerate([3.0, None, 1.0], 1):
            kind = "num" if value is not None else "nan"
            session.add(Point(run_id=run.id, name="train/loss", step=step, epoch=0, value=value, kind=kind, seq=step))
    folder = attempt_folder(services.settings.runs_dir, run.id, 0)
    folder.mkdir(parents=True)
    (folder / "trainer.log").write_text("<b>bold</b>\n")

    series = client.get(f"/api/runs/{run.id}/series?names=train/loss,eval/loss&from=2").json()
    log = client.get(f"/api/runs/{run.id}/log")

    assert series["names"] == ["train/loss"]
    assert series["series"] == {
        "train/loss": [[2, None, None, None, "nan"], [3, 1.0, 1.0, 1.0, "num"]],
        "eval/loss": [],
    }
    assert series["cursor"] == "0"
    assert log.text == "<b>bold</b>\n"
    assert log.headers["content-type"].startswith("text/plain")
    assert client.get(f"/api/runs/{run.id}/answers").json() == []
    assert client.get(f"/api/runs/{run.id}/series?names=%00").status_code == 422


def test_a_failed_run_says_why_and_what_to_do(
    client: TestClient, session_factory: SessionFactory, make_run: Callable[..., Run]
) -> None:
    run = make_run()
    with transaction(session_factory) as session:
        row = session.get_one(Run, run.id)
        row.status, row.failure_kind, row.failure_reason = "failed", "oom_gpu", "CUDA out of memory"

    shown = client.get(f"/api/runs/{run.id}").json()

    assert shown["failure_sentence"] == "The GPU ran out of memory."
    assert shown["failure_advice"]
    assert client.post(f"/api/runs/{run.id}/cancel").status_code == 409


def test_a_run_of_another_person_is_absent(
    client: TestClient, session_factory: SessionFactory, make_run: Callable[..., Run]
) -> None:
    run = make_run()
    with transaction(session_factory) as session:
        session.get_one(Run, run.id).owner_id = "usr_other"

    for path in ("", "/series", "/events", "/answers", "/log", "/spec.yaml"):
        assert client.get(f"/api/runs/{run.id}{path}").status_code == 404
    assert client.get(f"/runs/{run.id}/stream").status_code == 404
    assert client.post(f"/api/runs/{run.id}/cancel").status_code == 404
    assert client.patch(f"/api/runs/{run.id}", json={"name": "mine"}).status_code == 404
    assert client.get("/api/runs").json()["items"] == []


def test_methods_recipes_and_base_models_are_listed(client: TestClient) -> None:
    methods = {method["kind"]: method for method in client.get("/api/methods").json()}

    assert set(methods) == set(METHODS)
    assert methods["lora"]["defaults"]["rank"] == 16
    assert "rank" in methods["lora"]["json_schema"]["properties"]
    assert client.get("/api/recipes").json()[0]["id"] == "demo"
    assert client.get("/api/base-models").json()[0]["id"] == "demo"


def test_the_openapi_document_is_whole(client: TestClient) -> None:
    document = client.get("/api/openapi.json").json()

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for value in node.values() for found in references(value)]
        return [found for value in node for found in references(value)] if isinstance(node, list) else []

    names = {reference.removeprefix("#/components/schemas/") for reference in references(document)}
    assert names <= set(document["components"]["schemas"])
    assert "HTTPValidationError" not in names
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"] and operation["tags"], (method, path)
            assert "ErrorOut" in json.dumps(operation["responses"]["4XX"]), (method, path)
    assert RunSpec.model_fields.keys() == document["components"]["schemas"]["RunSpec"]["properties"].keys()


def test_an_adapter_is_shown_with_its_run(client: TestClient, make_adapter: Callable[[bytes], Adapter]) -> None:
    adapter = make_adapter(b"zip")

    shown = client.get(f"/api/adapters/{adapter.id}").json()

    assert shown["archive_url"] == f"/api/adapters/{adapter.id}/archive"
    assert client.get("/api/adapters").json()["items"] == [shown]
    assert client.get(f"/api/runs/{adapter.run_id}").json()["adapter_id"] == adapter.id
    assert client.get("/api/runs").json()["items"][0]["adapter_id"] == adapter.id


@pytest.mark.parametrize("prefix", ["/api", ""])
def test_an_archive_is_downloaded_whole_or_in_part(
    client: TestClient, make_adapter: Callable[[bytes], Adapter], prefix: str
) -> None:
    content = bytes(range(256)) * 5000
    adapter = make_adapter(content)
    url = f"{prefix}/adapters/{adapter.id}/archive"
    tag = f'"{adapter.sha256}"'

    whole = client.get(url)
    assert whole.content == content
    assert whole.headers["etag"] == tag
    assert whole.headers["content-type"] == "application/zip"
    assert whole.headers["content-disposition"] == f'attachment; filename="{adapter.file_name}"'
    assert whole.headers["accept-ranges"] == "bytes"

    head = client.head(url)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(content)))

    def part(span: str, **headers: str) -> httpx2.Response:
        return client.get(url, headers={"Range": span, **{k.replace("_", "-"): v for k, v in headers.items()}})

    assert (part("bytes=10-19").status_code, part("bytes=10-19").content) == (206, content[10:20])
    assert part("bytes=-5").content == content[-5:]
    assert part("bytes=1000000-").headers["content-range"] == f"bytes 1000000-{len(content) - 1}/{len(content)}"
    assert part("bytes=0-3", If_Range=tag).status_code == 206
    assert part("bytes=0-3", If_Range='"other"').status_code == 200
    assert part(f"bytes={len(content)}-").status_code == 416
    for ignored in ("bytes=0-1,5-6", "bytes=0-1," * 10_000 + "2-3", "lines=1-2", "bytes", "bytes=9-2", "bytes=x-y"):
        answer = part(ignored)
        assert (answer.status_code, len(answer.content)) == (200, len(content)), ignored

    assert client.get(url, headers={"If-None-Match": f'"x", {tag}'}).status_code == 304
    assert client.get(url, headers={"If-None-Match": '"x"'}).status_code == 200


def test_an_archive_whose_file_is_missing_is_told(
    client: TestClient, services: Services, make_adapter: Callable[[bytes], Adapter]
) -> None:
    adapter = make_adapter(b"zip")
    services.storage.delete(adapter.storage_key)

    answer = client.get(f"/api/adapters/{adapter.id}/archive")

    assert answer.status_code == 404
    assert "missing" in answer.json()["error"]["message"]
