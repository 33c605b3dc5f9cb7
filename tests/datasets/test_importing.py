"""From an upload to a dataset, or to a sentence with nothing left behind."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio import datasets
from studio.actors import LOCAL_ACTOR
from studio.datasets import Dataset, ImportLimits, MappingNeeded, Split
from studio.datasets.models import DatasetVersion
from studio.db import SessionFactory, reading, transaction
from studio.errors import InvalidInput, StorageFull, StudioError
from studio.storage import LocalStorage, StoredFile
from tests.datasets.conftest import TWO_ROWS, Import, Receive, packed

on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
FilesLeft = Callable[[], list[Path]]
CHAT = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}


def test_an_upload_becomes_a_dataset(
    import_file: Import, session_factory: SessionFactory, storage: LocalStorage, files_left: FilesLeft
) -> None:
    content = b'{"prompt": "p", "completion": "c", "id": 1}\n{"prompt": "q", "completion": "d"}\n'
    rows = b'{"prompt":"p","completion":"c","fields":{"id":1}}\n{"prompt":"q","completion":"d"}\n'

    made = import_file("../support <1>.jsonl", content, split=Split(seed=5))

    with reading(session_factory) as session:
        dataset = datasets.get_dataset(session, LOCAL_ACTOR, made.id)
        version = dataset.latest
    assert dataset.name == "support <1>"
    assert (version.number, version.row_count, version.shape, version.canonical) == (
        1, 2, "prompt_completion", "prompt_completion",
    )  # fmt: skip
    assert (version.file_name, version.file_format, version.file_size_bytes) == (
        "support <1>.jsonl", "jsonl", len(content),
    )  # fmt: skip
    assert version.original_sha256 == hashlib.sha256(content).hexdigest()
    assert version.sha256 == hashlib.sha256(rows).hexdigest()
    assert version.split == Split(seed=5).model_dump()
    assert (version.facts["fields"], version.facts["unused"]) == (["id"], [])
    assert version.column_mapping is None
    assert storage.path(version.rows_key).read_bytes() == rows
    assert storage.path(version.original_key).read_bytes() == content
    assert len(files_left()) == 3


@on_sqlite
@pytest.mark.parametrize(
    ("name", "content", "shape", "canonical"),
    [
        ("a.jsonl", json.dumps(CHAT).encode() + b"\r\n" + json.dumps(CHAT).encode(), "messages", "messages"),
        ("a.json", b"\xef\xbb\xbf" + json.dumps([CHAT] * 2, indent=1).encode(), "messages", "messages"),
        ("a.csv", b"instruction,input,output\nq,,a\nq,x,b\n", "alpaca", "messages"),
        ("a.tsv.gz", packed(b"question\tanswer\nq\ta\nr\tb\n"), "mapped", "prompt_completion"),
        ("a.ndjson", '{"text": "x\u2028y"}\n{"text": "<|im_end|>"}'.encode(), "text", "text"),
    ],
)
def test_good_files_of_every_kind(import_file: Import, name: str, content: bytes, shape: str, canonical: str) -> None:
    version = import_file(name, content).latest

    assert (version.shape, version.canonical, version.row_count) == (shape, canonical, 2)


@on_sqlite
def test_parquet_is_read_in_the_child_only(import_file: Import, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    code = "import sys, pyarrow as a, pyarrow.parquet as p; p.write_table(a.table({'text': ['a', 'b']}), sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)

    assert import_file("a.parquet", path.read_bytes()).latest.row_count == 2


@on_sqlite
def test_columns_that_cannot_be_guessed_are_asked_about_and_mapped(import_file: Import, files_left: FilesLeft) -> None:
    content = b"Frage,Antwort,Nr\nq,a,1\nr,b,2\n"

    with pytest.raises(MappingNeeded) as question:
        import_file("a.csv", content)
    nothing_left = files_left()
    version = import_file("a.csv", content, mapping={"prompt": "Frage", "completion": "Antwort"}).latest

    assert question.value.columns == {"Frage": ["q", "r"], "Antwort": ["a", "b"], "Nr": ["1", "2"]}
    assert question.value.targets == ("prompt", "completion", "system", "text", "messages", "chosen", "rejected")
    assert question.value.status_code == 422
    assert nothing_left == []
    assert (version.shape, version.column_mapping) == ("mapped", {"prompt": "Frage", "completion": "Antwort"})


@on_sqlite
def test_a_mapping_that_does_not_fit_names_its_fields(import_file: Import, files_left: FilesLeft) -> None:
    with pytest.raises(InvalidInput) as refusal:
        import_file("a.csv", b"q,a\n1,2\n3,4\n", mapping={"prompt": "zz", "completion": "a"})

    assert refusal.value.fields == {"mapping.prompt": "The file has no column 'zz'."}
    assert files_left() == []


@on_sqlite
def test_a_bad_name_is_refused_before_anything_is_read(import_file: Import, files_left: FilesLeft) -> None:
    with pytest.raises(InvalidInput) as refusal:
        import_file("a.jsonl", TWO_ROWS, name=" ")

    assert list(refusal.value.fields) == ["name"]
    assert files_left() == []


@on_sqlite
def test_the_same_content_twice_is_two_datasets_and_one_blob(import_file: Import, files_left: FilesLeft) -> None:
    first = import_file("a.jsonl", TWO_ROWS)
    second = import_file("b.jsonl", TWO_ROWS, name="Other")

    assert first.id != second.id
    assert first.latest.sha256 == second.latest.sha256
    assert len(files_left()) == 3


@on_sqlite
def test_a_second_import_that_fails_keeps_the_files_of_the_first(
    import_file: Import, receive: Receive, session_factory: SessionFactory, storage: LocalStorage, files_left: FilesLeft
) -> None:
    import_file("a.jsonl", TWO_ROWS)

    with pytest.raises(RuntimeError), transaction(session_factory) as session:
        datasets.import_upload(session, LOCAL_ACTOR, receive("a.jsonl", TWO_ROWS), storage=storage)
        raise RuntimeError("the commit does not come")

    assert len(files_left()) == 3


def test_files_of_rows_that_were_never_committed_go_again(
    receive: Receive, session_factory: SessionFactory, storage: LocalStorage, files_left: FilesLeft
) -> None:
    upload = receive("a.jsonl", TWO_ROWS)

    with pytest.raises(RuntimeError), transaction(session_factory) as session:
        datasets.import_upload(session, LOCAL_ACTOR, upload, storage=storage)
        raise RuntimeError("the commit does not come")

    assert files_left() == []
    with reading(session_factory) as session:
        assert session.query(Dataset).count() + session.query(DatasetVersion).count() == 0


def test_files_stay_when_two_imports_share_a_transaction(
    receive: Receive, session_factory: SessionFactory, storage: LocalStorage, files_left: FilesLeft
) -> None:
    with transaction(session_factory) as session:
        for name, content in (("a.jsonl", TWO_ROWS), ("b.jsonl", TWO_ROWS * 2)):
            with session.begin_nested():
                datasets.import_upload(session, LOCAL_ACTOR, receive(name, content), storage=storage)

    assert len(files_left()) == 6


class FullStorage(LocalStorage):
    """Storage with room for the rows, but not for the original."""

    def put(self, source: Path, key: str) -> StoredFile:
        if key.startswith("originals/"):
            raise StorageFull("The disk is full.")
        return super().put(source, key)


@on_sqlite
def test_a_disk_that_fills_up_while_storing_leaves_nothing(
    receive: Receive, session_factory: SessionFactory, storage: LocalStorage, files_left: FilesLeft
) -> None:
    upload = receive("a.jsonl", TWO_ROWS)

    with pytest.raises(StorageFull), transaction(session_factory) as session:
        datasets.import_upload(session, LOCAL_ACTOR, upload, storage=FullStorage(storage.root))

    assert files_left() == []


@on_sqlite
@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        (f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})", "it took too long or too much memory"),
        (f"import os; os.kill(os.getpid(), {int(signal.SIGXCPU)})", "it took too long"),
        (f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})", "it broke off"),
        ("raise SystemExit(3)", "it broke off"),
        ("import time; time.sleep(60)", "it took too long or too much memory"),
    ],
)
def test_a_child_that_dies_is_told_in_a_sentence(
    import_file: Import, files_left: FilesLeft, monkeypatch: pytest.MonkeyPatch, ending: str, sentence: str
) -> None:
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda argv, **options: real([sys.executable, "-c", ending], **options))

    with pytest.raises(InvalidInput) as refusal:
        import_file("a.jsonl", TWO_ROWS, limits=ImportLimits(wall_seconds=1))

    assert f"given up because {sentence}." in refusal.value.message
    assert files_left() == []


@on_sqlite
def test_the_child_gets_no_secret(import_file: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    real, environments = subprocess.Popen, []

    def watched(argv: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        environments.append(options["env"])
        return real(argv, **options)

    monkeypatch.setenv("TUNEWRIGHT_DATABASE_URL", "postgresql://secret")
    monkeypatch.setattr(subprocess, "Popen", watched)
    import_file("a.jsonl", TWO_ROWS)

    assert not [name for name in environments[0] if name.startswith("TUNEWRIGHT_")]
    assert os.environ["TUNEWRIGHT_DATABASE_URL"] not in environments[0].values()


@on_sqlite
def test_no_bytes_give_anything_but_a_sentence(import_file: Import, files_left: FilesLeft) -> None:
    # The many random inputs are tried in tests/formats; here is the way through the child.
    for name, content in (
        ("a.csv", bytes(range(1, 128)) * 4),
        ("a.parquet.gz", packed(b"PAR1")),
        ("a.json", b"]"),
    ):
        with pytest.raises(StudioError) as refusal:
            import_file(name, content)
        assert refusal.value.status_code in (413, 415, 422)
    assert files_left() == []
