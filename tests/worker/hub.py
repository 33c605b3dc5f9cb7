"""A loopback server that speaks the routes of the Hub which huggingface_hub uses to download a model or a dataset.

GET /api/models/{id}/revision/{revision}, GET /api/models/{id}/tree/{commit}, HEAD and GET /{id}/resolve/{commit}/{file}
and the same for datasets: /api/datasets/..., /datasets/{id}/resolve/...
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_letmein"
COMMIT_OF_MAIN = "a" * 40


@dataclass
class Model:
    """One repository: files by commit, commits by branch; what is `listed` of a file, `sent` and `cut` may be a lie.

    Of a file in `cut` so many bytes arrive, once, before the connection breaks.
    """

    files: dict[str, dict[str, bytes]]
    branches: dict[str, str] = field(default_factory=lambda: {"main": COMMIT_OF_MAIN})
    gated: bool = False
    listed: dict[str, dict[str, object]] = field(default_factory=dict)
    sent: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    takes_ranges: bool = True


@dataclass
class Hub:
    """What the server offers, and what it was asked for; while `flowing` is clear, weights do not arrive."""

    models: dict[str, Model] = field(default_factory=dict)
    datasets: dict[str, Model] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    flowing: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def add(self, model_id: str, files: dict[str, bytes], *, gated: bool = False) -> Model:
        """Add a model with one commit on main."""
        self.models[model_id] = Model(files={COMMIT_OF_MAIN: files}, gated=gated)
        return self.models[model_id]

    def add_dataset(self, dataset_id: str, files: dict[str, bytes], *, gated: bool = False) -> Model:
        """Add a dataset with one commit on main."""
        self.datasets[dataset_id] = Model(files={COMMIT_OF_MAIN: files}, gated=gated)
        return self.datasets[dataset_id]

    def move_main(self, model_id: str, commit: str, files: dict[str, bytes]) -> None:
        """Push a commit to main."""
        self.models[model_id].files[commit] = files
        self.models[model_id].branches["main"] = commit


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Serve on a free port of loopback."""
    hub = Hub()
    hub.flowing.set()

    class _Answer(_Route):
        offered = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield hub
    finally:
        hub.flowing.set()
        server.shutdown()
        server.server_close()
        serving.join()


class _Route(BaseHTTPRequestHandler):
    offered: Hub
    _repositories: dict[str, Model]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        self.offered.asked.append(f"{self.command} {'/'.join(parts)}")
        self._repositories = self.offered.datasets if "datasets" in parts[:2] else self.offered.models
        if parts[0] == "datasets":
            parts = parts[1:]
        if parts[0] == "api" and len(parts) >= 6:
            self._answer_api("/".join(parts[2:4]), parts[4], "/".join(parts[5:]))
        elif parts[0] == "api":
            self._answer_api("/".join(parts[2:4]), "revision", "main")
        elif parts[2] == "resolve":
            self._answer_file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self._refuse(404, "RepoNotFound")

    do_HEAD = do_GET

    def _answer_api(self, model_id: str, verb: str, revision: str) -> None:
        if (model := self._open(model_id, api=True)) is None:
            return
        commit = model.branches.get(revision, revision)
        if commit not in model.files:
            self._refuse(404, "RevisionNotFound")
            return
        files = model.files[commit]
        if verb == "tree":
            self._send_json([_entry(name, content) | model.listed.get(name, {}) for name, content in files.items()])
        else:
            siblings = [{"rfilename": name} for name in files]
            self._send_json({"id": model_id, "sha": commit, "siblings": siblings, "gated": model.gated})

    def _answer_file(self, model_id: str, revision: str, name: str) -> None:
        if (model := self._open(model_id, api=False)) is None:
            return
        commit = model.branches.get(revision, revision)
        content = model.files.get(commit, {}).get(name)
        if content is None:
            self._refuse(404, "EntryNotFound")
            return
        if self.command == "GET" and name.endswith(".safetensors"):
            self.offered.flowing.wait(60)
        content = model.sent.get(name, content)
        if self.command == "GET" and name in model.cut:
            self._break_off(content, model.cut.pop(name))
            return
        headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        asked = self.headers.get("Range", "bytes=0-") if model.takes_ranges else "bytes=0-"
        begin = int(asked.removeprefix("bytes=").partition("-")[0])
        self._send(206 if begin else 200, content[begin:], headers)

    def _break_off(self, content: bytes, size_bytes: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:size_bytes])
        self.close_connection = True

    def _open(self, model_id: str, *, api: bool) -> Model | None:
        """The model, unless it is absent or gated; the Hub tells everyone of a gated model, but gives no file."""
        model = self._repositories.get(model_id)
        sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if sent and sent != TOKEN:
            self._send(401, b'{"error": "Invalid credentials in Authorization header"}', {})
        elif model is None:
            self._refuse(404 if sent else 401, "RepoNotFound")
        elif model.gated and not api and sent != TOKEN:
            self._refuse(403 if sent else 401, "GatedRepo")
        else:
            return model
        return None

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": code})

    def _send_json(self, answer: object) -> None:
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Be quiet: `asked` has it."""


def _entry(name: str, content: bytes) -> dict[str, object]:
    oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry: dict[str, object] = {"type": "file", "path": name, "size": len(content), "oid": oid}
    if name.endswith((".parquet", ".safetensors")):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry
