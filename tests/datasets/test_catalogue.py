"""Finding, renaming and removing; what is another's is absent."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event

from studio import datasets
from studio.actors import LOCAL_ACTOR, Actor
from studio.datasets import Dataset, DatasetVersion
from studio.db import SessionFactory, reading, transaction
from studio.errors import Conflict, InvalidInput, NotFound
from studio.runs.models import Run
from studio.storage import LocalStorage
from tests.datasets.conftest import TWO_ROWS, Import

STRANGER = Actor(id="usr_stranger")


@pytest.fixture
def three(session_factory: SessionFactory) -> list[str]:
    """Three datasets as rows alone, oldest first."""
    made = []
    for name in ("one", "two", "three"):
        with transaction(session_factory) as session:
            dataset = Dataset(owner_id=LOCAL_ACTOR.id, name=name, versions=[_version()])
            session.add(dataset)
            session.flush()
            made.append(dataset.id)
    return made


def _version() -> DatasetVersion:
    return DatasetVersion(
        owner_id=LOCAL_ACTOR.id, number=1, file_name="a.jsonl", file_format="jsonl", file_size_bytes=1,
        original_sha256="0" * 64, shape="text", canonical="text", sha256="1" * 64, size_bytes=1, row_count=2,
        split=datasets.Split().model_dump(), facts={},
    )  # fmt: skip


def test_datasets_are_listed_newest_first_and_page_by_page(session_factory: SessionFactory, three: list[str]) -> None:
    with reading(session_factory) as session:
        first = datasets.list_datasets(session, LOCAL_ACTOR, limit=2)
        rest = datasets.list_datasets(session, LOCAL_ACTOR, limit=2, after=first[-1].id)

    assert [dataset.name for dataset in first + rest] == ["three", "two", "one"]


def test_a_list_takes_the_same_statements_however_long(session_factory: SessionFactory, three: list[str]) -> None:
    statements: list[str] = []
    with reading(session_factory) as session:
        event.listen(session.get_bind(), "before_cursor_execute", lambda *call: statements.append(call[2]))
        for dataset in datasets.list_datasets(session, LOCAL_ACTOR):
            assert dataset.latest.row_count == 2

    # One for the datasets and one for all of their versions.
    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 2


def test_what_is_anothers_is_absent(session_factory: SessionFactory, three: list[str]) -> None:
    with reading(session_factory) as session:
        version_id = datasets.get_dataset(session, LOCAL_ACTOR, three[0]).latest.id

        assert datasets.list_datasets(session, STRANGER) == []
        with pytest.raises(NotFound):
            datasets.get_dataset(session, STRANGER, three[0])
        with pytest.raises(NotFound):
            datasets.get_version(session, STRANGER, version_id)
        with pytest.raises(NotFound):
            datasets.get_version(session, LOCAL_ACTOR, "dsv_none")
        with pytest.raises(NotFound):
            datasets.rename_dataset(session, STRANGER, three[0], "mine")
        with pytest.raises(NotFound):
            datasets.delete_dataset(session, STRANGER, three[0])


def test_a_dataset_is_renamed(session_factory: SessionFactory, three: list[str]) -> None:
    with transaction(session_factory) as session:
        datasets.rename_dataset(session, LOCAL_ACTOR, three[0], " new  name ")

    with reading(session_factory) as session:
        assert datasets.get_dataset(session, LOCAL_ACTOR, three[0]).name == "new name"


def test_an_empty_name_is_refused(session_factory: SessionFactory, three: list[str]) -> None:
    with pytest.raises(InvalidInput), transaction(session_factory) as session:
        datasets.rename_dataset(session, LOCAL_ACTOR, three[0], " ")


def test_a_dataset_and_its_versions_are_removed(session_factory: SessionFactory, three: list[str]) -> None:
    with transaction(session_factory) as session:
        datasets.delete_dataset(session, LOCAL_ACTOR, three[0])

    with reading(session_factory) as session:
        assert len(datasets.list_datasets(session, LOCAL_ACTOR)) == 2
        assert session.query(DatasetVersion).count() == 2


def test_a_dataset_that_a_run_names_stays(session_factory: SessionFactory, three: list[str]) -> None:
    with transaction(session_factory) as session:
        version = datasets.get_dataset(session, LOCAL_ACTOR, three[0]).latest
        run = Run(
            owner_id=LOCAL_ACTOR.id, name="r", spec={}, method="lora", base_model="b", dataset_version_id=version.id
        )  # fmt: skip
        session.add(run)

    with transaction(session_factory) as session:
        with pytest.raises(Conflict, match="A run uses this dataset"):
            datasets.delete_dataset(session, LOCAL_ACTOR, three[0])
        # The refusal leaves the caller's transaction usable.
        datasets.rename_dataset(session, LOCAL_ACTOR, three[1], "renamed")

    with reading(session_factory) as session:
        names = [dataset.name for dataset in datasets.list_datasets(session, LOCAL_ACTOR)]
    assert names == ["three", "renamed", "one"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_files_go_with_the_last_version_that_shares_them(
    import_file: Import, session_factory: SessionFactory, storage: LocalStorage, files_left: Callable[[], list[Path]]
) -> None:
    first, second = (import_file("a.jsonl", TWO_ROWS) for _ in range(2))

    with transaction(session_factory) as session:
        datasets.delete_dataset(session, LOCAL_ACTOR, first.id, storage=storage)
    left_after_one = len(files_left())
    with transaction(session_factory) as session:
        datasets.delete_dataset(session, LOCAL_ACTOR, second.id, storage=storage)

    # rows, offsets and the original
    assert left_after_one == 3
    assert files_left() == []
