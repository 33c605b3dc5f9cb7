"""Rows of datasets with the real huggingface_hub from a loopback server that speaks the Hub's routes."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from studio.chores.child import PROGRESS_FILE, REPORT_FILE, REQUEST_FILE, Progress
from studio.datasets import HubSource
from tests.worker.hub import COMMIT_OF_MAIN, TOKEN, Hub, Model
from worker.hub_rows.fetch import CONVERTED, fetch
from worker.hub_rows.order import TOKEN_VARIABLE, CannotFetch, Order
from worker.order import ENVIRONMENT

NAME = "acme/tickets"
HEAD = b"license: cc-by-4.0\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: rows/a-*"
CARD = b"---\n" + HEAD + b"\n---\nHi"


def table(*texts: str) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table({"text": texts}), stream)
    return stream.getvalue()


FIRST, SECOND, HELD = table("a", "b"), table("c", "d"), table("e")
TRAIN = {"data/train-00000-of-00002.parquet": FIRST, "data/train-00001-of-00002.parquet": SECOND}


def order(hub: Hub, *, token: str | None = None, limit_bytes: int = 1 << 20, **source: Any) -> Order:
    wanted = HubSource.model_validate({"repository": NAME, **source})
    return Order(source=wanted, endpoint=hub.url, limit_bytes=limit_bytes, token=token, retry_seconds=0)


def fetched(folder: Path, asked: Order) -> dict[str, Any]:
    return fetch(asked, folder, Progress(folder))


def refusal(folder: Path, asked: Order) -> str:
    with pytest.raises(CannotFetch) as caught:
        fetched(folder, asked)
    return str(caught.value)


def test_one_file_comes_as_it_is_with_its_commit_and_its_licence(hub: Hub, tmp_path: Path) -> None:
    hub.add_dataset(NAME, {"README.md": CARD, "rows/a-1.parquet": FIRST, "rows/b-1.parquet": HELD, "run.py": b"raise"})

    found = fetched(tmp_path, order(hub))

    assert (found["file"], found["kind"]) == ("rows.parquet", "parquet")
    assert (tmp_path / "rows.parquet").read_bytes() == FIRST
    assert found["file_name"] == f"{NAME}@aaaaaaa (train)"
    assert found["source"] == {
        "repository": NAME,
        "revision": "main",
        "subset": "default",
        "split": "train",
        "commit": COMMIT_OF_MAIN,
        "licence": "cc-by-4.0",
        "files": 1,
        "parts": ["train"],
    }
    assert json.loads((tmp_path / PROGRESS_FILE).read_text())["done"] == len(FIRST)
    assert not any("run.py" in asked for asked in hub.asked)


def test_several_files_come_as_one_and_twice_as_the_same_bytes(hub: Hub, tmp_path: Path) -> None:
    hub.add_dataset(NAME, {**TRAIN, "data/test-00000-of-00001.parquet": HELD})
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        found = fetched(folder, order(hub, held_out=True))

    packed = [folder / found["file"] for folder in folders]
    assert packed[0].read_bytes() == packed[1].read_bytes()
    with zipfile.ZipFile(packed[0]) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert contents == {"train/0000.parquet": FIRST, "train/0001.parquet": SECOND, "test/0000.parquet": HELD}
    assert found["source"]["parts"] == ["train", "test"]


def test_a_branch_a_tag_and_a_commit_are_resolved_and_stay_where_they_are(hub: Hub, tmp_path: Path) -> None:
    made = hub.add_dataset(NAME, {"train.parquet": FIRST})
    made.files["b" * 40] = {"train.parquet": SECOND}
    made.branches |= {"v2": "b" * 40, "refs/pr/3": "b" * 40}

    commits = [
        fetched(tmp_path, order(hub, revision=revision))["source"]["commit"]
        for revision in ("main", "v2", "refs/pr/3", "b" * 40)
    ]

    assert commits == [COMMIT_OF_MAIN, *["b" * 40] * 3]
    assert (tmp_path / "rows.parquet").read_bytes() == SECOND


def test_rows_of_a_script_come_from_the_hubs_conversion(hub: Hub, tmp_path: Path) -> None:
    made = hub.add_dataset(NAME, {"tickets.py": b"raise SystemExit", "rows.jsonl": b"{}"})
    made.files["c" * 40] = {"default/train/0000.parquet": FIRST, "default/partial-test/0000.parquet": HELD}
    made.branches[CONVERTED] = "c" * 40

    found = fetched(tmp_path, order(hub))

    assert (found["source"]["commit"], found["source"]["converted_commit"]) == (COMMIT_OF_MAIN, "c" * 40)
    assert "tickets.py" not in "".join(asked for asked in hub.asked if "resolve" in asked)
    assert "has no split 'test'; it has partial-test, train." in refusal(tmp_path, order(hub, split="test"))


@pytest.mark.parametrize("takes_ranges", [True, False])
def test_a_download_that_breaks_off_goes_on_or_begins_anew(hub: Hub, tmp_path: Path, takes_ranges: bool) -> None:
    made = hub.add_dataset(NAME, {"train.parquet": FIRST})
    made.cut["train.parquet"], made.takes_ranges = 100, takes_ranges

    fetched(tmp_path, order(hub))

    assert (tmp_path / "rows.parquet").read_bytes() == FIRST
    assert sum("resolve" in asked for asked in hub.asked) == 2
    assert json.loads((tmp_path / PROGRESS_FILE).read_text())["done"] == len(FIRST)


def test_a_gated_dataset_comes_with_the_token(hub: Hub, tmp_path: Path) -> None:
    hub.add_dataset(NAME, {"train.parquet": FIRST}, gated=True)

    assert fetched(tmp_path, order(hub, token=TOKEN))["kind"] == "parquet"
    assert "is gated. Accept the licence on the dataset's page" in refusal(tmp_path, order(hub))
    assert "refused the token" in refusal(tmp_path, order(hub, token="hf_old"))


def _lie(made: Model, **lies: Any) -> None:
    for name, value in lies.items():
        getattr(made, name).update(value)


TRAIN_FILE = "train.parquet"


@pytest.mark.parametrize(
    ("files", "lies", "source", "sentence"),
    [
        (None, {}, {}, "There is no dataset acme/tickets on"),
        ({TRAIN_FILE: FIRST}, {}, {"revision": "v9"}, "has no revision 'v9'"),
        ({"tickets.py": b"", "a.jsonl": b"", "b.jsonl": b""}, {}, {}, "it holds 2 .jsonl, 1 .py. Download its rows"),
        ({}, {}, {}, "it holds nothing"),
        ({"en/train.parquet": FIRST, "de/train.parquet": HELD}, {}, {}, "has 2 subsets: de, en. Say which one."),
        ({"en/train.parquet": FIRST, "de/test.parquet": HELD}, {}, {"subset": "fr"}, "no subset 'fr' of Parquet files"),
        ({"en/train.parquet": FIRST}, {}, {"split": "dev"}, "acme/tickets (en) has no split 'dev'; it has train."),
        ({TRAIN_FILE: FIRST}, {}, {"held_out": True}, "has neither validation nor test rows"),
        ({"data/train-00000-of-00002.parquet": FIRST}, {}, {}, "lacks files of 'train': 1 of 2 are there."),
        ({"../train.parquet": FIRST}, {}, {}, "a file whose name cannot be used"),
        ({"a\nb.parquet": FIRST}, {}, {}, "a file whose name cannot be used"),
        ({TRAIN_FILE: FIRST}, {"sent": {TRAIN_FILE: FIRST + b"!"}}, {}, "is longer than the"),
        ({TRAIN_FILE: FIRST}, {"sent": {TRAIN_FILE: FIRST[:-1]}}, {}, "its listing says"),
        ({TRAIN_FILE: FIRST}, {"sent": {TRAIN_FILE: FIRST[:-1] + b"!"}}, {}, "arrived with another hash"),
        ({TRAIN_FILE: FIRST}, {"listed": {TRAIN_FILE: {"size": "many"}}}, {}, "something that is not understood"),
        ({TRAIN_FILE: FIRST}, {"listed": {TRAIN_FILE: {"size": 5 << 20}}}, {}, "1.0 MB are allowed"),
        ({TRAIN_FILE: FIRST}, {"listed": {TRAIN_FILE: {"oid": None, "lfs": None}}}, {}, "arrived with another hash"),
    ],
)
def test_what_cannot_be_fetched_is_told(
    hub: Hub,
    tmp_path: Path,
    files: dict[str, bytes] | None,
    lies: dict[str, Any],
    source: dict[str, Any],
    sentence: str,
) -> None:
    if files is not None:
        _lie(hub.add_dataset(NAME, files), **lies)

    assert sentence in refusal(tmp_path, order(hub, **source))


def test_without_a_network_it_is_told(hub: Hub, tmp_path: Path) -> None:
    away = order(hub).model_copy(update={"endpoint": "http://127.0.0.1:9"})

    assert "cannot be reached, so acme/tickets was not fetched" in refusal(tmp_path, away)


@pytest.mark.parametrize(
    "repository", ["tickets", "a/b/c", "../x", "acme/..", "acme/a b", "https://elsewhere.org/acme/x"]
)
def test_what_is_no_id_of_a_dataset_is_refused(repository: str) -> None:
    with pytest.raises(ValueError, match="give the id of a dataset"):
        HubSource(repository=repository)


def test_the_program_takes_the_token_from_its_environment_and_leaves_a_report(hub: Hub, tmp_path: Path) -> None:
    hub.add_dataset(NAME, {TRAIN_FILE: FIRST}, gated=True)
    request = {"kind": "hub", "repository": NAME, "endpoint": hub.url, "limit_bytes": 1 << 20, "file_name": "before"}
    limits = {"memory_bytes": 2 << 30, "cpu_seconds": 60}
    (tmp_path / REQUEST_FILE).write_text(json.dumps(request | limits))

    # Its standard input stays open for as long as somebody waits for it.
    with subprocess.Popen(
        [sys.executable, "-m", "worker.hub_rows", str(tmp_path)],
        env={**os.environ, **ENVIRONMENT, TOKEN_VARIABLE: TOKEN},
        stdin=subprocess.PIPE,
    ) as program:
        code = program.wait(120)

    report = json.loads((tmp_path / REPORT_FILE).read_text())
    assert (code, report["problem"]) == (0, "")
    assert (tmp_path / report["result"]["file"]).read_bytes() == FIRST
    assert TOKEN not in json.dumps(report)
