"""Datasets over the API: both ways of uploading, paging, and nothing left behind by what fails."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from starlette.types import Message

from studio.datasets import Dataset, DatasetVersion
from studio.db import SessionFactory, reading
from studio.settings import Settings

ROWS = "".join(json.dumps({"prompt": f"Say {n}.", "completion": f"{n}"}) + "\n" for n in range(50))


def upload(client: TestClient, text: str = ROWS, file_name: str = "numbers.jsonl", **fields: str) -> Any:
    return client.post("/api/datasets", files={"file": (file_name, text)}, data=fields)


def left_behind(settings: Settings) -> list[Path]:
    return [
        path for folder in (settings.uploads_dir, settings.storage_dir) for path in folder.rglob("*") if path.is_file()
    ]


def test_a_form_makes_a_dataset_that_can_be_paged_through(client: TestClient, web_settings: Settings) -> None:
    answer = upload(client, name="My numbers", seed="3", validation_fraction="0.2")

    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["name"] == "My numbers"
    assert made["split_sizes"] == {"train": 35, "validation": 10, "test": 5}
    assert made["latest"]["split"]["seed"] == 3
    assert answer.headers["location"] == f"/api/datasets/{made['id']}"
    rows = client.get(f"/api/datasets/{made['id']}/rows?split=validation&start=8&limit=5").json()
    assert rows["row_count"] == 10
    assert [row["split"] for row in rows["rows"]] == ["validation"] * 2
    assert client.get("/api/datasets").json()["items"][0]["id"] == made["id"]
    assert not list(web_settings.uploads_dir.glob("*"))


def test_a_body_makes_the_same_dataset_as_a_form(client: TestClient) -> None:
    by_form = upload(client).json()["latest"]

    answer = client.put("/api/datasets/upload?filename=numbers.jsonl&name=Again&seed=5", content=ROWS)

    assert answer.status_code == 201, answer.text
    assert answer.json()["name"] == "Again"
    assert answer.json()["latest"]["sha256"] == by_form["sha256"]
    assert answer.json()["latest"]["split"]["seed"] == 5


def test_columns_are_mapped(client: TestClient) -> None:
    text = "frage,antwort\n" + "".join(f"Say {n}.,{n}\n" for n in range(20))

    asked = upload(client, text, "fragen.csv")
    mapped = upload(client, text, "fragen.csv", mapping='{"prompt": "frage", "completion": "antwort"}')

    assert asked.status_code == 422
    assert asked.json()["error"]["code"] == "mapping_needed"
    assert mapped.status_code == 201, mapped.text


def test_a_refused_file_tells_its_problems_and_leaves_nothing(
    client: TestClient, web_settings: Settings, session_factory: SessionFactory
) -> None:
    answer = upload(client, ROWS + '{"prompt": "x", "completion": 5}\n')

    assert answer.status_code == 422
    assert answer.json()["error"]["problems"][0].startswith("row 51:")
    assert left_behind(web_settings) == []
    with reading(session_factory) as session:
        assert session.scalar(select(func.count()).select_from(DatasetVersion)) == 0


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"mapping": "{"}, "mapping"),
        ({"seed": "x"}, "seed"),
        ({"validation_fraction": "2"}, "validation_fraction"),
        ({"owner_id": "x"}, "owner_id"),
        ({"name": "x" * 300}, "name"),
    ],
)
def test_a_wrong_field_is_named_and_leaves_nothing(
    client: TestClient, web_settings: Settings, fields: dict[str, str], wrong: str
) -> None:
    answer = upload(client, **fields)

    assert answer.status_code == 422
    assert list(answer.json()["error"]["fields"]) == [wrong]
    assert left_behind(web_settings) == []


@pytest.mark.parametrize(
    "parts",
    [
        {"other": ("a.jsonl", ROWS)},
        {"file": ("", "")},
        [("file", ("a.jsonl", ROWS)), ("file", ("b.parquet", ROWS))],
        {"name": (None, "no file")},
        [("file", ("a.jsonl", ROWS)), *[(f"f{n}", (None, "x")) for n in range(50)]],
        [("file", ("a.jsonl", ROWS)), ("name", (None, "x" * 70_000))],
    ],
)
def test_a_form_without_a_readable_file_is_refused(client: TestClient, web_settings: Settings, parts: Any) -> None:
    answer = client.post("/api/datasets", files=parts)

    assert answer.status_code == 422
    assert left_behind(web_settings) == []


def test_a_file_over_the_limit_is_refused_by_its_own_size(client: TestClient, web_settings: Settings) -> None:
    # Over the file's limit, within the slack of the body's.
    answer = upload(client, "x" * (web_settings.upload_limit_bytes + 1))

    assert answer.status_code == 413
    assert left_behind(web_settings) == []


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.jsonl", "..\\..\\x.jsonl", 'a"b\r\nSet-Cookie: x.jsonl', "\u202egpj.jsonl"]
)
def test_a_file_name_is_never_a_path(client: TestClient, web_settings: Settings, name: str) -> None:
    answer = client.put("/api/datasets/upload", params={"filename": name}, content=ROWS)

    assert answer.status_code == 201, answer.text
    assert "/" not in answer.json()["latest"]["file_name"]
    assert all(path.is_relative_to(web_settings.data_dir) for path in left_behind(web_settings))
    assert not [path for path in left_behind(web_settings) if "passwd" in path.name]


@pytest.mark.parametrize("path", ["/api/datasets", "/datasets"])
def test_an_upload_that_breaks_off_leaves_nothing(app: FastAPI, web_settings: Settings, path: str) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
    messages: list[Message] = [
        {"type": "http.request", "body": head + ROWS.encode() * 500, "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=x")]
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": headers, "root_path": "", "scheme": "http", "http_version": "1.1",
        "server": ("localhost", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))

    assert messages == []
    assert sent == []
    assert left_behind(web_settings) == []


def test_renaming_and_deleting(client: TestClient, web_settings: Settings, session_factory: SessionFactory) -> None:
    dataset_id = upload(client).json()["id"]

    renamed = client.patch(f"/api/datasets/{dataset_id}", json={"name": "New"})
    deleted = client.delete(f"/api/datasets/{dataset_id}")

    assert renamed.json()["name"] == "New"
    assert client.patch(f"/api/datasets/{dataset_id}", json={"name": "x", "owner_id": "y"}).status_code == 422
    assert deleted.status_code == 204 and deleted.content == b""
    assert client.get(f"/api/datasets/{dataset_id}").status_code == 404
    assert left_behind(web_settings) == []
    with reading(session_factory) as session:
        assert session.scalar(select(func.count()).select_from(Dataset)) == 0


def test_lists_are_paged_by_the_last_id(client: TestClient) -> None:
    ids = [upload(client, name=f"Set {n}").json()["id"] for n in range(3)]

    first = client.get("/api/datasets?limit=2").json()
    second = client.get(f"/api/datasets?limit=2&after={first['next_after']}").json()

    assert [item["id"] for item in first["items"]] == [ids[2], ids[1]]
    assert [item["id"] for item in second["items"]] == [ids[0]]
    assert second["next_after"] is None
