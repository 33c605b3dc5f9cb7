"""Imports without the rows that have problems, and files that are made again as they were."""

import hashlib
from pathlib import Path

import pytest

from studio import datasets
from studio.actors import LOCAL_ACTOR
from studio.datasets import Dataset, RowsRefused
from studio.db import SessionFactory, reading, transaction
from studio.storage import LocalStorage
from tests.datasets.conftest import Import

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
ONE_BAD = b'{"text": "a", "id": 1}\n{"text": ""}\n{"text": "b", "id": 2}\n{"text": "c"}\n'


def test_a_refusal_offers_the_other_rows(import_file: Import) -> None:
    with pytest.raises(RowsRefused) as refusal:
        import_file("a.jsonl", ONE_BAD)

    assert refusal.value.good_rows == 3
    assert refusal.value.message.endswith("The other 3 rows are fine and can be imported alone (leave_out).")


def test_the_other_rows_are_imported_when_that_is_wanted(import_file: Import) -> None:
    version = import_file("a.jsonl", ONE_BAD, leave_out=True).latest

    assert version.row_count == 3
    assert version.facts["left_out"] == {"count": 1, "problems": ["row 2: text is empty"]}


@pytest.mark.parametrize("leave_out", [True, False])
def test_lost_files_are_made_again_as_they_were(
    import_file: Import, session_factory: SessionFactory, storage: LocalStorage, tmp_path: Path, leave_out: bool
) -> None:
    version = import_file(
        "a.jsonl", ONE_BAD if leave_out else ONE_BAD.replace(b'""', b'"x"'), leave_out=leave_out
    ).latest
    rows = storage.path(version.rows_key)
    before = rows.read_bytes()
    rows.unlink()

    datasets.make_files_again(version, storage, tmp_path, only_offsets=False)

    assert rows.read_bytes() == before


def test_files_of_version_0_1_are_made_again_without_fields(
    import_file: Import, session_factory: SessionFactory, storage: LocalStorage, tmp_path: Path
) -> None:
    # The rows, their hash and their facts are those that version 0.1 wrote for this file.
    content = b'{"prompt": "p", "completion": "c", "system": "s", "id": 1}\n{"prompt": "q", "completion": "d"}\n'
    old = b'{"prompt":"p","completion":"c"}\n{"prompt":"q","completion":"d"}\n'
    made = import_file("a.jsonl", content)
    with transaction(session_factory) as session:
        version = session.get_one(Dataset, made.id).latest
        version.facts = {key: value for key, value in version.facts.items() if key != "fields"}
        version.column_mapping = None
        version.sha256 = hashlib.sha256(old).hexdigest()
    with reading(session_factory) as session:
        version = datasets.get_dataset(session, LOCAL_ACTOR, made.id).latest

    datasets.make_files_again(version, storage, tmp_path, only_offsets=False)

    assert storage.path(version.rows_key).read_bytes() == old
