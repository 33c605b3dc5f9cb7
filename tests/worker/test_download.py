"""Downloads with the real huggingface_hub from a loopback server that speaks the Hub's routes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from studio.runs import parse_event
from studio.runs.events import Failed, PhaseBegan
from tests.worker.hub import COMMIT_OF_MAIN, TOKEN, Hub
from worker.download import DownloadFailed, fetch
from worker.order import ENVIRONMENT, Found, Order

MODEL = "acme/tiny"
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "model.safetensors": b"\2\0\0\0\0\0\0\0{}",
    "README.md": b"hello",
    "modeling_tiny.py": b"raise SystemExit('code ran')",
    "pytorch_model.bin": b"pickle",
    "original/consolidated.safetensors": b"x",
    "consolidated.safetensors": b"x",
}


@pytest.fixture
def order(hub: Hub, tmp_path: Path) -> Order:
    (tmp_path / "models").mkdir()
    return Order(model_id=MODEL, revision=None, endpoint=hub.url, models_dir=tmp_path / "models")


def _fetch(order: Order) -> Found:
    return fetch(order, note=lambda _: None)


def _refusal(order: Order) -> str:
    with pytest.raises(DownloadFailed) as caught:
        _fetch(order)
    return caught.value.message


def test_only_plain_files_are_fetched_and_the_commit_is_kept(hub: Hub, order: Order) -> None:
    hub.add(MODEL, FILES)

    found = _fetch(order)

    assert found.revision == COMMIT_OF_MAIN
    names = {path.name for path in found.folder.iterdir()}
    assert names == {"config.json", "tokenizer.json", "model.safetensors"}


def test_a_moved_branch_gives_new_bytes_and_a_kept_hash_gives_the_old(hub: Hub, order: Order) -> None:
    hub.add(MODEL, FILES)
    first = _fetch(order)
    hub.move_main(MODEL, "b" * 40, {**FILES, "model.safetensors": b"\2\0\0\0\0\0\0\0[]"})

    moved = _fetch(order)
    kept = _fetch(order.model_copy(update={"revision": first.revision}))

    assert (moved.revision, kept.revision) == ("b" * 40, COMMIT_OF_MAIN)
    assert (kept.folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert (moved.folder / "model.safetensors").read_bytes().endswith(b"[]")


def test_a_dangerous_config_is_refused_before_the_weights_are_fetched(hub: Hub, order: Order) -> None:
    config = {"model_type": "llama", "auto_map": {"AutoModelForCausalLM": "modeling_tiny.Tiny"}}
    hub.add(MODEL, {**FILES, "config.json": json.dumps(config).encode()})

    assert "can run code" in _refusal(order)
    assert not any(path.endswith("model.safetensors") for path in hub.asked)


def test_pickled_weights_are_refused_before_anything_is_fetched(hub: Hub, order: Order) -> None:
    hub.add(MODEL, {name: content for name, content in FILES.items() if not name.endswith(".safetensors")})

    assert "has no .safetensors weights" in _refusal(order)
    assert not any("/resolve/" in path for path in hub.asked)


def test_a_model_without_a_fast_tokenizer_is_refused(hub: Hub, order: Order) -> None:
    hub.add(MODEL, {name: content for name, content in FILES.items() if name != "tokenizer.json"})

    assert "has no tokenizer.json" in _refusal(order)


def test_a_gated_model_asks_for_its_licence(hub: Hub, order: Order) -> None:
    hub.add(MODEL, FILES, gated=True)

    sentence = _refusal(order)

    assert "Accept the licence" in sentence
    assert "TUNEWRIGHT_HUB_TOKEN_FILE" in sentence


def test_a_gated_model_comes_with_the_token(hub: Hub, order: Order) -> None:
    hub.add(MODEL, FILES, gated=True)

    assert _fetch(order.model_copy(update={"token": TOKEN})).revision == COMMIT_OF_MAIN


def test_a_wrong_token_is_told(hub: Hub, order: Order) -> None:
    hub.add(MODEL, FILES, gated=True)

    assert "refused the token" in _refusal(order.model_copy(update={"token": "hf_old"}))


def test_an_absent_model_is_told(hub: Hub, order: Order) -> None:
    assert "There is no model acme/tiny" in _refusal(order)


def test_an_absent_revision_is_told(hub: Hub, order: Order) -> None:
    hub.add(MODEL, FILES)

    assert "has no revision 'v9'" in _refusal(order.model_copy(update={"revision": "v9"}))


def test_without_a_network_a_model_that_is_here_is_used(hub: Hub, order: Order) -> None:
    hub.add(MODEL, FILES)
    fetched = _fetch(order)
    offline = order.model_copy(update={"endpoint": "http://127.0.0.1:9"})

    assert _fetch(offline) == fetched
    assert _fetch(offline.model_copy(update={"revision": fetched.revision})) == fetched


def test_without_a_network_a_new_model_is_told(order: Order) -> None:
    assert "cannot be reached" in _refusal(order.model_copy(update={"endpoint": "http://127.0.0.1:9"}))


def test_a_model_larger_than_the_disk_is_refused_with_numbers(
    hub: Hub, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(MODEL, FILES)
    monkeypatch.setattr("worker.download.free_bytes", lambda folder: 10**9)

    with pytest.raises(DownloadFailed) as caught:
        _fetch(order)

    assert (caught.value.kind, "has 1.00 GB" in caught.value.message) == ("disk_full", True)


def test_the_program_takes_its_order_from_standard_input_and_leaves_its_answer(
    hub: Hub, order: Order, tmp_path: Path
) -> None:
    hub.add(MODEL, FILES, gated=True)

    ended = _run_program(order.model_copy(update={"token": TOKEN}), tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert Found.model_validate_json((tmp_path / "base_model.json").read_text()).revision == COMMIT_OF_MAIN
    assert isinstance(parse_event((tmp_path / "events.jsonl").read_text().splitlines()[0]), PhaseBegan)


def test_the_program_tells_its_failure_as_an_event(order: Order, tmp_path: Path) -> None:
    ended = _run_program(order, tmp_path)

    event = parse_event((tmp_path / "events.jsonl").read_text().splitlines()[-1])
    assert ended.returncode == 1
    assert isinstance(event, Failed)
    assert event.kind == "model_load"


def _run_program(order: Order, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "worker.download", str(folder)],
        input=order.model_dump_json(),
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
