"""What is refused before a trainer starts, and base models that are fetched for it."""

import os
import re
import threading
from pathlib import Path

import pytest

from studio import adapters, runs
from studio.datasets import DatasetVersion
from studio.db import reading
from studio.settings import Settings
from tests.worker.benches import (
    MakeRun,
    ask,
    await_,
    cancel_and_join,
    claim,
    on_sqlite,
    read,
    supervise_in_background,
    with_,
)
from tests.worker.hub import COMMIT_OF_MAIN, TOKEN, Hub, serve_hub
from worker.bench import Bench
from worker.supervise import supervise

HUB_FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "model.safetensors": b"\2\0\0\0\0\0\0\0{}",
}


def test_damaged_rows_are_refused_before_training(bench: Bench, make_run: MakeRun, version: DatasetVersion) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    with bench.storage.path(version.rows_key).open("ab") as stream:
        stream.write(b" ")

    supervise(bench, claim(bench))

    failed = read(bench, run.id)
    assert (failed.failure_kind, "SHA-256 differs" in failed.failure_reason) == ("bad_data", True)


@on_sqlite
def test_missing_rows_are_refused_before_training(bench: Bench, make_run: MakeRun, version: DatasetVersion) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    bench.storage.delete(version.rows_key)

    supervise(bench, claim(bench))

    assert read(bench, run.id).failure_kind == "bad_data"


@on_sqlite
def test_a_full_disk_is_told_with_its_numbers(bench: Bench, make_run: MakeRun, models_root: Path) -> None:
    # A sparse file of 1 TB: full training of it needs many times that.
    os.truncate(models_root / "tiny" / "model.safetensors", 10**12)
    run = make_run(base_model={"id": "folder:tiny"}, method={"kind": "full"})

    supervise(bench, claim(bench))

    failed = read(bench, run.id)
    assert failed.failure_kind == "disk_full"
    assert re.search(r"needs up to \d{5}\.\d GB of disk", failed.failure_reason)


@on_sqlite
def test_a_base_model_that_could_run_code_is_refused(bench: Bench, make_run: MakeRun, models_root: Path) -> None:
    (models_root / "tiny" / "config.json").write_text('{"model_type": "llama", "auto_map": {"AutoModel": "x.Y"}}')
    run = make_run(base_model={"id": "folder:tiny"})

    supervise(bench, claim(bench))

    assert read(bench, run.id).failure_kind == "model_load"


@on_sqlite
def test_a_base_model_that_is_gone_is_told(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:gone"})

    supervise(bench, claim(bench))

    assert "There is no folder 'gone'" in read(bench, run.id).failure_reason


@on_sqlite
def test_a_base_model_of_the_hub_keeps_its_commit(bench: Bench, make_run: MakeRun) -> None:
    with serve_hub() as hub:
        hub.add("acme/tiny", HUB_FILES, gated=True)
        run = make_run(base_model={"id": "acme/tiny"})

        supervise(with_(bench, settings=_at(bench, hub), hub_token=TOKEN), claim(bench))

    ended = read(bench, run.id)
    assert (ended.status, ended.failure_reason) == ("succeeded", "")
    with reading(bench.session_factory) as session:
        adapter = adapters.adapter_of_run(session, ended)
    assert adapter is not None
    assert adapter.base_revision == COMMIT_OF_MAIN
    folder = runs.attempt_folder(bench.settings.runs_dir, run.id, 1)
    assert not any(TOKEN in path.read_text() for path in folder.iterdir() if path.is_file())


@on_sqlite
def test_a_gated_base_model_is_told(bench: Bench, make_run: MakeRun) -> None:
    with serve_hub() as hub:
        hub.add("acme/tiny", HUB_FILES, gated=True)
        run = make_run(base_model={"id": "acme/tiny"})

        supervise(with_(bench, settings=_at(bench, hub)), claim(bench))

    failed = read(bench, run.id)
    assert (failed.failure_kind, "Accept the licence" in failed.failure_reason) == ("model_load", True)


@on_sqlite
def test_cancelling_a_download_ends_it_within_five_seconds(bench: Bench, make_run: MakeRun) -> None:
    with serve_hub() as hub:
        hub.add("acme/tiny", HUB_FILES)
        hub.flowing.clear()
        run = make_run(base_model={"id": "acme/tiny"})
        supervising = supervise_in_background(with_(bench, settings=_at(bench, hub)))
        await_(lambda: any(line.startswith("GET") and "safetensors" in line for line in hub.asked))
        assert read(bench, run.id).phase == "downloading"

        assert cancel_and_join(bench, run, supervising) < 5

    assert read(bench, run.id).status == "cancelled"


@on_sqlite
@pytest.mark.parametrize(
    ("wish", "status", "note"),
    [
        ("stop", "queued", "The studio was stopped; the run goes on from the beginning when it is back."),
        ("pause", "queued", "Paused before the first checkpoint."),
        ("keep", "cancelled", ""),
    ],
)
def test_a_download_is_left_when_the_run_shall_not_go_on(
    bench: Bench, make_run: MakeRun, wish: str, status: str, note: str
) -> None:
    with serve_hub() as hub:
        hub.add("acme/tiny", HUB_FILES)
        hub.flowing.clear()
        run = make_run(base_model={"id": "acme/tiny"})
        stopping = threading.Event()
        supervising = supervise_in_background(with_(bench, settings=_at(bench, hub), stopping=stopping))
        await_(lambda: any(line.startswith("GET") and "safetensors" in line for line in hub.asked))

        stopping.set() if wish == "stop" else ask(bench, run, wish)
        supervising.join(10)

    left = read(bench, run.id)
    assert not supervising.is_alive()
    assert (left.status, left.phase_note) == (status, note)


def _at(bench: Bench, hub: Hub) -> Settings:
    return bench.settings.model_copy(update={"hub_endpoint": hub.url})
