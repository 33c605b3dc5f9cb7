"""What pages load: only the studio's own files, and the vendored ones under the hash that set-up took."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from importlib import resources

from fastapi.testclient import TestClient

from app.render import sri
from studio.runs import Run

VENDOR = resources.files("app").joinpath("static", "vendor")
LOADED = re.compile(r'<(?:script|link)[^>]*(?:src|href)="/static/(vendor/[^"?]+)[^>]*>')


def hash_of(name: str) -> str:
    """SHA-384 of a vendored file, in base64."""
    return base64.b64encode(hashlib.sha384(VENDOR.joinpath(name).read_bytes()).digest()).decode()


def test_the_manifest_names_the_hashes_of_the_files() -> None:
    entries = json.loads(VENDOR.joinpath("MANIFEST.json").read_text(encoding="utf-8"))

    assert {"htmx.min.js", "hx-sse.min.js", "uPlot.iife.min.js", "uPlot.min.css"} <= {
        entry["file"] for entry in entries
    }
    for entry in entries:
        assert entry["sha384"] == hash_of(entry["file"]), entry["file"]


def test_every_page_states_the_hash_of_what_is_not_ours(client: TestClient, make_run: Callable[..., Run]) -> None:
    run = make_run("Live")
    seen = set()
    for path in ("/", "/datasets", "/datasets/new", "/runs", "/runs/new", "/adapters", f"/runs/{run.id}", "/nowhere"):
        tags = list(LOADED.finditer(client.get(path).text))
        assert tags, path
        for tag in tags:
            name = tag[1].removeprefix("vendor/")
            assert f'integrity="sha384-{hash_of(name)}"' in tag[0], (path, name)
            seen.add(name)

    assert seen == {"htmx.min.js", "hx-sse.min.js", "uPlot.iife.min.js", "uPlot.min.css"}


def test_a_file_of_our_own_carries_no_hash() -> None:
    assert sri("vendor/unknown.js") == sri("app.js") == ""
