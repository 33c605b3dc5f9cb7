"""No route is reached by a foreign host or origin, no body is larger than its limit, and every answer is guarded."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from app.limits import DEFAULT_LIMIT_BYTES, BodyLimit
from app.security import RESPONSE_HEADERS, host_name
from studio.settings import Settings
from tests.app.routes import SOME_ID, all_routes, filled, query_names, unsafe_routes

# What is refused before a database is asked needs no second one.
SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://evil.test"},
    {"Origin": "http://localhost.evil.test"},
    {"Origin": "http://localhost:9"},
    {"Origin": "null"},
    {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "file://localhost"},
    {"Origin": "http://[bad"},
]
FORGED_IDS = ["x", "run_", "%2e%2e%2f", "run_01k0000000000000000000000A", "run_" + "i" * 26, "%00", "a" * 5000]
BODIES = [
    ("application/json", b"{"),
    ("application/json", b"[" * 100_000),
    ("application/json", b'{"name": "\\ud800", "spec": {"data": null}}'),
    ("application/json", b'{"name": 1' + b"0" * 5000 + b"}"),
    ("application/json", b'"\xff"'),
    ("application/yaml", b"&a [*a]"),
    ("application/yaml", b"\xff\x00"),
    ("application/yaml", b"!!python/object/apply:os.system [id]"),
    ("application/x-www-form-urlencoded", b"name=%00&" + b"a=b&" * 5000),
    ("multipart/form-data", b"--x\r\n"),
    ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'),
    ("text/plain", b"hello"),
    ("", b"hello"),
]


@SQLITE
def test_another_host_is_refused_on_every_route(app: FastAPI, client: TestClient) -> None:
    for method, path in all_routes(app):
        for host in ("evil.test", "evil.test:8000", "localhost.evil.test", "localhost@evil.test", ""):
            answer = client.request(method, filled(path), headers={"Host": host})

            assert answer.status_code == 400, (method, path, host)


@SQLITE
def test_a_foreign_origin_is_refused_on_every_unsafe_route(app: FastAPI, client: TestClient) -> None:
    routes = unsafe_routes(app)
    for method, path in routes:
        for headers in FOREIGN:
            answer = client.request(method, filled(path), headers=headers)

            assert answer.status_code == 403, (method, path, headers)
    assert len(routes) >= 10


@SQLITE
@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}],
)
def test_own_pages_and_programs_are_let_through(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.patch("/api/datasets/x", headers=headers)

    assert answer.status_code in {404, 422}


@SQLITE
def test_every_answer_carries_the_headers_of_safety(app: FastAPI, client: TestClient) -> None:
    answers = [client.request(method, filled(path)) for method, path in all_routes(app)]
    answers += [
        client.get("/nowhere"),
        client.put("/healthz"),
        client.get("/", headers={"Host": "evil.test"}),
        client.post("/api/runs", headers={"Origin": "null"}),
        client.post("/api/runs", content=b"x" * (DEFAULT_LIMIT_BYTES + 1)),
    ]
    for answer in answers:
        for name, value in RESPONSE_HEADERS.items():
            assert answer.headers.get_list(name) == [value], (answer.request.url, name)
        assert "server" not in answer.headers
        if not answer.request.url.path.startswith("/static/"):
            assert answer.headers["cache-control"] == "no-store", answer.request.url
        if answer.headers.get("content-type", "").startswith("text/html"):
            assert "HX-Request" in answer.headers["vary"], answer.request.url


@SQLITE
def test_static_files_are_kept_for_a_year_only_under_their_hash(client: TestClient) -> None:
    plain, versioned = client.get("/static/app.css"), client.get("/static/app.css?v=0123456789")

    assert plain.headers["cache-control"] == "no-cache"
    assert "immutable" in versioned.headers["cache-control"]
    assert client.get("/static/../main.py").status_code == 404
    assert client.get("/static/%2e%2e/main.py").status_code == 404


@SQLITE
def test_a_body_over_its_limit_is_refused_on_every_unsafe_route(app: FastAPI, client: TestClient) -> None:
    for method, path in unsafe_routes(app):
        answer = client.request(method, filled(path), headers={"Content-Length": str(10**12)})

        assert answer.status_code == 413, (method, path)


@SQLITE
@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/api/runs", "application/json"),
        ("POST", "/api/runs", "application/yaml"),
        ("POST", "/api/runs/plan", "application/json"),
        ("PATCH", f"/api/datasets/{SOME_ID}", "application/json"),
        ("POST", "/theme", "application/x-www-form-urlencoded"),
        ("POST", "/api/datasets", "multipart/form-data; boundary=x"),
        ("POST", "/datasets", "multipart/form-data; boundary=x"),
        ("PUT", "/api/datasets/upload?filename=a.jsonl", "application/octet-stream"),
    ],
)
def test_a_body_without_a_length_is_cut_at_the_limit(
    client: TestClient, web_settings: Settings, method: str, path: str, kind: str
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
        for _ in range(6):
            yield b"x" * (1 << 20)

    answer = client.request(method, path, content=pieces(), headers={"Content-Type": kind})

    assert answer.status_code == 413
    assert "limit" in answer.text
    assert not any(web_settings.uploads_dir.glob("*"))


def test_no_forged_id_reaches_the_database(app: FastAPI, client: TestClient) -> None:
    for method, path in all_routes(app):
        if "{" in path:
            for forged in FORGED_IDS:
                answer = client.request(method, filled(path, forged))

                assert answer.status_code in {404, 405, 422, 400}, (method, path, forged, answer.status_code)


def test_no_body_makes_a_server_error(app: FastAPI, client: TestClient) -> None:
    for method, path in unsafe_routes(app):
        for kind, body in BODIES:
            answer = client.request(
                method, filled(path), content=body, headers={"Content-Type": kind}, follow_redirects=False
            )

            assert answer.status_code < 500, (method, path, kind, body[:40], answer.text)


def test_no_query_makes_a_server_error(app: FastAPI, client: TestClient) -> None:
    values = ("", "-1", "0", "9" * 30, "\x00", "\ud7ff", "'", "run_01k0000000000000000000000a", "nan", "x" * 3000)
    for path, names in query_names(app):
        for name in names:
            for value in values:
                assert client.get(filled(path), params={name: value}).status_code < 500, (path, name, value)


@SQLITE
def test_a_body_that_is_too_large_is_answered_on_a_real_connection(http: httpx2.Client) -> None:
    address = urlsplit(str(http.base_url))
    head = f"POST /api/runs HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
    for framing in (f"Content-Length: {DEFAULT_LIMIT_BYTES + 1}\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"):
        with socket.create_connection((str(address.hostname), address.port or 80), timeout=10) as connection:
            connection.sendall((head + framing).encode())
            if "chunked" in framing:
                for _ in range(17):
                    connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

            assert connection.recv(100).startswith(b"HTTP/1.1 413"), framing
    assert http.get("/healthz").json() == {"status": "ok"}


def test_a_sender_that_falls_silent_is_not_waited_for() -> None:
    async def reads_all(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass

    pieces = [{"type": "http.request", "body": b"x", "more_body": True}]

    async def receive() -> Message:
        if pieces:
            return pieces.pop()
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    limited = BodyLimit(reads_all, {}, idle_seconds=0.02)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    with pytest.raises(HTTPException) as caught:
        asyncio.run(limited(scope, receive, send))

    assert caught.value.status_code == 408


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8000", "localhost"),
        ("[::1]:8000", "[::1]"),
        ("127.0.0.1", "127.0.0.1"),
        ("localhost:8000:1", None),
        ("localhost:", None),
        ("a b", None),
        ("evil@localhost", None),
        ("", None),
    ],
)
def test_the_name_of_a_host_header(host: str, name: str | None) -> None:
    assert host_name(host) == name


def test_the_website_imports_nothing_of_the_training_stack(tmp_path: Path) -> None:
    script = (
        "import json, sys; from pathlib import Path; from app.main import create_app; "
        "from studio.settings import Settings; create_app(Settings(data_dir=Path(sys.argv[1]))); "
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True, timeout=60
    )
    loaded = set(json.loads(answer.stdout))

    heavy = {"torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "accelerate", "numpy", "pyarrow"}
    assert not loaded & (heavy | {"worker", "celery", "huggingface_hub"})
