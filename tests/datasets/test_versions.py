"""Recipes become versions: immutable, with parent, recipe and an inherited split; undoing chooses an older one."""

import dataclasses
import threading

import pytest

from studio import chores, datasets, house
from studio.actors import LOCAL_ACTOR
from studio.datasets import Dataset, read_recipe
from studio.db import SessionFactory, reading, transaction
from studio.errors import Conflict, InvalidInput
from studio.house import House
from studio.queue import SilentQueue
from studio.settings import Settings
from studio.storage import LocalStorage
from tests.datasets.conftest import Import
from tests.doing import DUPLICATES, do_chores, mend, versions
from worker.bench import Bench
from worker.chores import ChoreSlot
from worker.doing import Mending


def test_a_recipe_makes_the_next_version(bench: Bench, dataset: Dataset) -> None:
    chore = mend(bench, dataset.latest, DUPLICATES)

    before, made = versions(bench, dataset)
    assert (chore.status, chore.problem) == ("done", "")
    assert chore.result["version_id"] == made.id
    assert (made.number, made.parent_id, made.recipe) == (2, before.id, DUPLICATES)
    assert (before.row_count, made.row_count) == (48, 42)
    assert before.sha256 != made.sha256
    assert made.original_sha256 == before.original_sha256
    rows = datasets.read_rows(made, storage=bench.storage, start=39, limit=9)
    assert [row.row["completion"] for row in rows] == ["It is 39", "It is not", " x "]


def test_its_checkup_is_asked_for_and_finds_what_is_left(bench: Bench, dataset: Dataset) -> None:
    mend(bench, dataset.latest, DUPLICATES)

    with reading(bench.session_factory) as session:
        found = datasets.found_by_checks(session, LOCAL_ACTOR, versions(bench, dataset)[-1])
    assert {"contradictions", "too_few_rows"} <= {check["name"] for check in found}
    assert "exact_duplicates" not in {check["name"] for check in found}


def test_every_row_keeps_its_split_and_so_does_the_next_version(bench: Bench, dataset: Dataset) -> None:
    mend(bench, dataset.latest, DUPLICATES)
    mend(bench, versions(bench, dataset)[-1], [{"do": "keep_majority"}, {"do": "drop_rows", "rows": [20]}])

    first, second, third = versions(bench, dataset)
    splits = [
        {
            row.row["prompt"] + row.row["completion"]: row.split
            for row in reversed(datasets.read_rows(version, storage=bench.storage, start=0, limit=99))
        }
        for version in (first, second, third)
    ]
    assert len(splits[2]) == 40
    for text, split in splits[2].items():
        assert splits[0][text] == splits[1][text] == split
    assert third.split["sizes"] == [list(splits[2].values()).count(name) for name in datasets.SPLIT_NAMES]
    assert datasets.version_split_sizes(third) == dict(zip(datasets.SPLIT_NAMES, third.split["sizes"], strict=True))
    for split in datasets.SPLIT_NAMES:
        rows = datasets.read_rows(third, storage=bench.storage, start=0, limit=99, split=split)
        assert {row.split for row in rows} == {split}


def test_the_same_recipe_on_the_same_parent_gives_the_same_version(bench: Bench, dataset: Dataset) -> None:
    first = mend(bench, dataset.latest, DUPLICATES)
    second = mend(bench, dataset.latest, DUPLICATES)
    with transaction(bench.session_factory) as session:
        # Whoever asks for it anew, such as after a failure, finds the version that is there.
        again = chores.ask(
            session, LOCAL_ACTOR, "mending", first.key, first.params,
            queue=SilentQueue(), version_id=dataset.latest.id, again=True,
        )  # fmt: skip
    do_chores(bench)

    assert first.id == second.id != again.id
    assert len(versions(bench, dataset)) == 2
    with reading(bench.session_factory) as session:
        assert chores.get_chore(session, LOCAL_ACTOR, again.id).result["number"] == 2


def test_a_preview_makes_no_version_and_keeps_what_would_change(bench: Bench, dataset: Dataset) -> None:
    chore = mend(bench, dataset.latest, DUPLICATES, publish=False)

    changes = datasets.read_changes(bench.settings.cache_dir, chore, start=4, limit=20)
    assert chore.result["steps"] == [{"dropped": 6, "changed": 0}]
    assert changes is not None
    assert [change.row for change in changes] == [45, 46]
    assert changes[0].why == ["Exact duplicates: keep the first row of each group"]
    assert len(versions(bench, dataset)) == 1


def test_an_old_version_becomes_the_newest_without_a_copy(bench: Bench, dataset: Dataset) -> None:
    mend(bench, dataset.latest, DUPLICATES)
    for _ in range(2):
        with transaction(bench.session_factory) as session:
            found = datasets.get_dataset(session, LOCAL_ACTOR, dataset.id)
            datasets.use_again(session, LOCAL_ACTOR, found, found.versions[0], queue=SilentQueue())

    first, _, third = versions(bench, dataset)
    assert (third.number, third.sha256, third.split) == (3, first.sha256, first.split)
    assert third.recipe == [{"do": "choose_parent", "version": 1}]
    with reading(bench.session_factory) as session:
        healths = datasets.healths(session, LOCAL_ACTOR, [first, third])
    assert healths[first.id] == healths[third.id]


def test_steps_that_cannot_be_done_are_refused_at_once(import_file: Import, bench: Bench, dataset: Dataset) -> None:
    unchecked = import_file("other.jsonl", b'{"text": "a"}\n{"text": "b"}\n')

    with pytest.raises(Conflict, match="Check this version first"):
        mend(bench, unchecked.latest, DUPLICATES)
    with pytest.raises(InvalidInput, match="completion is missing"):
        mend(bench, dataset.latest, [{"do": "edit", "number": 1, "row": {"prompt": "x"}}])
    with pytest.raises(InvalidInput, match="no part of such a row"):
        mend(bench, dataset.latest, [{"do": "edit", "number": 1, "row": {"prompt": "x", "completion": "y", "z": 1}}])
    with pytest.raises(InvalidInput, match="no steps among others"):
        mend(bench, dataset.latest, [{"do": "choose_parent", "version": 1}])


def test_what_the_child_refuses_is_told_and_makes_no_version(bench: Bench, dataset: Dataset) -> None:
    chore = mend(bench, dataset.latest, [{"do": "drop_rows", "rows": list(range(1, 49))}])

    assert (chore.status, chore.problem.split(",")[0]) == ("failed", "Fewer than two rows would be left")
    assert len(versions(bench, dataset)) == 1


def test_the_house_knows_all_files_and_a_deletion_takes_them_along(
    bench: Bench, dataset: Dataset, settings: Settings, storage: LocalStorage
) -> None:
    mend(bench, dataset.latest, DUPLICATES)
    home = House(settings, bench.session_factory, storage)
    assert [finding.sentence for finding in house.examine(home, spared_seconds=0)] == []
    made = versions(bench, dataset)[-1]
    for key in made.keys:
        path = storage.path(key)
        content = path.read_bytes()
        path.write_bytes(b"?" + content[1:])
        assert any(key in finding.sentence for finding in house.examine(home, spared_seconds=0)), key
        path.write_bytes(content)

    with transaction(bench.session_factory) as session:
        datasets.delete_dataset(session, LOCAL_ACTOR, dataset.id, storage=storage)

    assert [path for path in settings.storage_dir.rglob("*") if path.is_file()] == []


def test_two_workers_make_two_versions_of_two_recipes_at_once(
    bench: Bench, dataset: Dataset, session_factory: SessionFactory
) -> None:
    for number in range(1, 7):
        recipe = read_recipe([{"do": "drop_rows", "rows": [number]}])
        with transaction(session_factory) as session:
            datasets.ask_mending(
                session, LOCAL_ACTOR, dataset.latest, recipe,
                queue=SilentQueue(), publish=True, cache=bench.settings.cache_dir,
            )  # fmt: skip

    # The checks of the new versions are left undone: they take longer than all else.
    slots = [ChoreSlot(dataclasses.replace(bench, owner=owner), {"mending": Mending()}) for owner in ("cpu", "cpu2")]
    threads = [threading.Thread(target=slot.drain) for slot in slots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    made = versions(bench, dataset)
    assert [version.number for version in made] == list(range(1, 8))
    assert sorted(version.recipe[0]["rows"][0] for version in made[1:]) == list(range(1, 7))
