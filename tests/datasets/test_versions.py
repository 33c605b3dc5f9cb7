"""Recipes become versions: immutable, with parent, recipe and an inherited split; undoing chooses an older one."""

import dataclasses
import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio import chores, datasets, house
from studio.actors import LOCAL_ACTOR
from studio.chores import Chore
from studio.datasets import Dataset, DatasetVersion, read_recipe
from studio.db import SessionFactory, reading, transaction
from studio.errors import Conflict, InvalidInput
from studio.house import House
from studio.queue import SilentQueue
from studio.settings import Settings
from studio.storage import LocalStorage
from studio.wire import Wire
from tests.datasets.conftest import Import
from worker.bench import Bench
from worker.chores import ChoreSlot
from worker.doing import DOERS
from worker.start import Forkserver

PAIRS = [(f"Say {n}", f"It is {n}") for n in range(40)]
PLANTED = [*PAIRS, *PAIRS[:6], ("Say 7", "It is not"), ("Say nothing", " x ")]
DUPLICATES = [{"do": "keep_first", "check": "exact_duplicates"}]


@pytest.fixture
def bench(settings: Settings, session_factory: SessionFactory, storage: LocalStorage, empty_redis: str) -> Bench:
    """What the CPU queue's worker needs."""
    return Bench(
        settings=settings,
        session_factory=session_factory,
        storage=storage,
        wire=Wire(empty_redis),
        forkserver=Forkserver(preload=[]),
        train=_no_trainer,
        owner="cpu",
        download_environ=dict(os.environ),
    )


def _no_trainer(folder: Path) -> int:
    raise AssertionError


@pytest.fixture
def dataset(import_file: Import, bench: Bench) -> Dataset:
    """Rows with planted faults, checked."""
    lines = [json.dumps({"prompt": prompt, "completion": answer}) + "\n" for prompt, answer in PLANTED]
    made = import_file("planted.jsonl", "".join(lines).encode())
    ChoreSlot(bench, DOERS).drain()
    return made


Mend = Callable[..., Chore]


@pytest.fixture
def mend(bench: Bench) -> Mend:
    """Apply a recipe to a version and wait for it."""

    def _mend(version: DatasetVersion, recipe: list[dict[str, Any]], *, publish: bool = True) -> Chore:
        with transaction(bench.session_factory) as session:
            chore = datasets.ask_mending(
                session,
                LOCAL_ACTOR,
                version,
                read_recipe(recipe),
                queue=SilentQueue(),
                publish=publish,
                cache=bench.settings.cache_dir,
            )
        ChoreSlot(bench, DOERS).drain()
        with reading(bench.session_factory) as session:
            return chores.get_chore(session, LOCAL_ACTOR, chore.id)

    return _mend


def show(bench: Bench, dataset: Dataset) -> Dataset:
    with reading(bench.session_factory) as session:
        return datasets.get_dataset(session, LOCAL_ACTOR, dataset.id)


def test_a_recipe_makes_the_next_version(bench: Bench, dataset: Dataset, mend: Mend) -> None:
    chore = mend(dataset.latest, DUPLICATES)

    before, made = show(bench, dataset).versions
    assert (chore.status, chore.problem) == ("done", "")
    assert chore.result["version_id"] == made.id
    assert (made.number, made.parent_id, made.recipe) == (2, before.id, DUPLICATES)
    assert (before.row_count, made.row_count) == (48, 42)
    assert before.sha256 != made.sha256
    assert made.original_sha256 == before.original_sha256
    rows = datasets.read_rows(made, storage=bench.storage, start=39, limit=9)
    assert [row.row["completion"] for row in rows] == ["It is 39", "It is not", " x "]


def test_its_checkup_is_asked_for_and_finds_what_is_left(bench: Bench, dataset: Dataset, mend: Mend) -> None:
    mend(dataset.latest, DUPLICATES)

    with reading(bench.session_factory) as session:
        found = datasets.found_by_checks(session, LOCAL_ACTOR, show(bench, dataset).latest)
    assert {"contradictions", "too_few_rows"} <= {check["name"] for check in found}
    assert "exact_duplicates" not in {check["name"] for check in found}


def test_every_row_keeps_its_split_and_so_does_the_next_version(bench: Bench, dataset: Dataset, mend: Mend) -> None:
    mend(dataset.latest, DUPLICATES)
    mend(show(bench, dataset).latest, [{"do": "keep_majority"}, {"do": "drop_rows", "rows": [20]}])

    first, second, third = show(bench, dataset).versions
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


def test_the_same_recipe_on_the_same_parent_gives_the_same_version(bench: Bench, dataset: Dataset, mend: Mend) -> None:
    first = mend(dataset.latest, DUPLICATES)
    second = mend(dataset.latest, DUPLICATES)
    with transaction(bench.session_factory) as session:
        # Whoever asks for it anew, such as after a failure, finds the version that is there.
        again = chores.ask(
            session, LOCAL_ACTOR, "mending", first.key, first.params,
            queue=SilentQueue(), version_id=dataset.latest.id, again=True,
        )  # fmt: skip
    ChoreSlot(bench, DOERS).drain()

    assert first.id == second.id != again.id
    assert len(show(bench, dataset).versions) == 2
    with reading(bench.session_factory) as session:
        assert chores.get_chore(session, LOCAL_ACTOR, again.id).result["number"] == 2


def test_a_preview_makes_no_version_and_keeps_what_would_change(bench: Bench, dataset: Dataset, mend: Mend) -> None:
    chore = mend(dataset.latest, DUPLICATES, publish=False)

    changes = datasets.read_changes(bench.settings.cache_dir, chore, start=4, limit=20)
    assert chore.result["steps"] == [{"dropped": 6, "changed": 0}]
    assert changes is not None
    assert [change.row for change in changes] == [45, 46]
    assert changes[0].why == ["Keep the first row of each group of Exact duplicates"]
    assert len(show(bench, dataset).versions) == 1


def test_an_old_version_becomes_the_newest_without_a_copy(bench: Bench, dataset: Dataset, mend: Mend) -> None:
    mend(dataset.latest, DUPLICATES)
    for _ in range(2):
        with transaction(bench.session_factory) as session:
            found = datasets.get_dataset(session, LOCAL_ACTOR, dataset.id)
            datasets.use_again(session, LOCAL_ACTOR, found, found.versions[0], queue=SilentQueue())

    first, _, third = show(bench, dataset).versions
    assert (third.number, third.sha256, third.split) == (3, first.sha256, first.split)
    assert third.recipe == [{"do": "choose_parent", "version": 1}]
    with reading(bench.session_factory) as session:
        healths = datasets.healths(session, LOCAL_ACTOR, [first, third])
    assert healths[first.id] == healths[third.id]


def test_steps_that_cannot_be_done_are_refused_at_once(
    import_file: Import, bench: Bench, dataset: Dataset, mend: Mend
) -> None:
    unchecked = import_file("other.jsonl", b'{"text": "a"}\n{"text": "b"}\n')

    with pytest.raises(Conflict, match="Check this version first"):
        mend(unchecked.latest, DUPLICATES)
    with pytest.raises(InvalidInput, match="completion is missing"):
        mend(dataset.latest, [{"do": "edit", "number": 1, "row": {"prompt": "x"}}])
    with pytest.raises(InvalidInput, match="no part of such a row"):
        mend(dataset.latest, [{"do": "edit", "number": 1, "row": {"prompt": "x", "completion": "y", "z": 1}}])
    with pytest.raises(InvalidInput, match="no steps among others"):
        mend(dataset.latest, [{"do": "choose_parent", "version": 1}])


def test_what_the_child_refuses_is_told_and_makes_no_version(bench: Bench, dataset: Dataset, mend: Mend) -> None:
    chore = mend(dataset.latest, [{"do": "drop_rows", "rows": list(range(1, 49))}])

    assert (chore.status, chore.problem.split(",")[0]) == ("failed", "Fewer than two rows would be left")
    assert len(show(bench, dataset).versions) == 1


def test_the_house_knows_all_files_and_a_deletion_takes_them_along(
    bench: Bench, dataset: Dataset, mend: Mend, settings: Settings, storage: LocalStorage
) -> None:
    mend(dataset.latest, DUPLICATES)
    home = House(settings, bench.session_factory, storage)
    assert [finding.sentence for finding in house.examine(home, spared_seconds=0)] == []
    made = show(bench, dataset).latest
    for key in made.keys:
        path = storage.path(key)
        content = path.read_bytes()
        path.write_bytes(b"?" + content[1:])
        assert any(key in finding.sentence for finding in house.examine(home, spared_seconds=0)), key
        path.write_bytes(content)

    with transaction(bench.session_factory) as session:
        datasets.delete_dataset(session, LOCAL_ACTOR, dataset.id, storage=storage)

    assert [path for path in settings.storage_dir.rglob("*") if path.is_file()] == []


def differing(bench: Bench, dataset: Dataset, before: int, after: int) -> dict[str, list[tuple[str | None, ...]]]:
    """The completions of the rows that differ, before and after, by kind."""
    found = show(bench, dataset)
    versions = (datasets.pick_version(found, before), datasets.pick_version(found, after))
    difference = datasets.compare(*versions, storage=bench.storage, cache=bench.settings.cache_dir)
    assert difference is not None
    told = {}
    for kind in datasets.DIFF_KINDS:
        rows = datasets.read_difference(difference, kind, storage=bench.storage, start=0, limit=99)
        assert len(rows) == difference.counts[kind]
        sides = [(row.before, row.after) for row in rows]
        told[kind] = [tuple(side and side.row["completion"] for side in pair) for pair in sides]
    return told


def test_two_versions_are_compared_row_by_row(bench: Bench, dataset: Dataset, mend: Mend) -> None:
    edit = {"do": "edit", "number": 3, "row": {"prompt": "Say 2", "completion": "Two"}}
    mend(dataset.latest, [edit, {"do": "drop_rows", "rows": [48]}])
    mend(show(bench, dataset).latest, [{"do": "drop_rows", "rows": [1]}])
    with transaction(bench.session_factory) as session:
        found = datasets.get_dataset(session, LOCAL_ACTOR, dataset.id)
        datasets.use_again(session, LOCAL_ACTOR, found, found.versions[0], queue=SilentQueue())
    mend(show(bench, dataset).latest, [{"do": "drop_rows", "rows": [47]}])

    assert differing(bench, dataset, 1, 2) == {
        "dropped": [(" x ", None)],
        "added": [],
        "changed": [("It is 2", "Two")],
    }
    assert differing(bench, dataset, 1, 3)["dropped"] == [("It is 0", None), (" x ", None)]
    assert differing(bench, dataset, 1, 4) == {"dropped": [], "added": [], "changed": []}
    assert differing(bench, dataset, 3, 5) == {
        "dropped": [("It is not", None)],
        "added": [(None, "It is 0"), (None, " x ")],
        "changed": [("Two", "It is 2")],
    }


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_worker_finds_the_same_differences_and_again_when_they_were_cleared(
    bench: Bench, dataset: Dataset, mend: Mend, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = {"do": "edit", "number": 3, "row": {"prompt": "Say 2", "completion": "Two"}}
    mend(dataset.latest, [edit, {"do": "drop_rows", "rows": [5, 6]}])
    here = differing(bench, dataset, 1, 2)
    cache = bench.settings.cache_dir
    shutil.rmtree(cache / "diffs")
    monkeypatch.setattr("studio.datasets.diff.ROWS_AT_ONCE", 10)

    for _ in range(2):
        with transaction(bench.session_factory) as session:
            pair = datasets.get_dataset(session, LOCAL_ACTOR, dataset.id).versions
            assert datasets.compare(*pair, storage=bench.storage, cache=cache) is None
            chore = datasets.ask_difference(session, LOCAL_ACTOR, *pair, queue=SilentQueue(), cache=cache)
        ChoreSlot(bench, DOERS).drain()

        with reading(bench.session_factory) as session:
            done = chores.get_chore(session, LOCAL_ACTOR, chore.id)
        assert (done.status, done.result["counts"]) == ("done", {"dropped": 2, "added": 0, "changed": 1})
        assert differing(bench, dataset, 1, 2) == here
        shutil.rmtree(cache / "diffs")


def test_what_was_found_in_a_deleted_dataset_is_swept_from_the_cache(
    bench: Bench, dataset: Dataset, mend: Mend, settings: Settings, storage: LocalStorage
) -> None:
    mend(dataset.latest, DUPLICATES, publish=False)
    mend(dataset.latest, DUPLICATES)
    assert differing(bench, dataset, 1, 2)["added"] == []
    home = House(settings, bench.session_factory, storage)
    kept = [path for path in settings.cache_dir.glob("*/*") if path.parent.name in {"checkups", "mendings", "diffs"}]
    assert len({path.parent for path in kept}) == 3
    assert house.sweep(settings, bench.session_factory, storage, spared_seconds=0).leftovers == 0

    with transaction(bench.session_factory) as session:
        datasets.delete_dataset(session, LOCAL_ACTOR, dataset.id, storage=storage)
    assert len(list(house.examine(home, spared_seconds=0))) == len(kept)
    house.sweep(settings, bench.session_factory, storage, spared_seconds=0)

    assert [path for path in kept if path.exists()] == []


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

    slots = [ChoreSlot(dataclasses.replace(bench, owner=owner), DOERS) for owner in ("cpu", "cpu2")]
    threads = [threading.Thread(target=slot.drain) for slot in slots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    versions = show(bench, dataset).versions
    assert [version.number for version in versions] == list(range(1, 8))
    assert sorted(version.recipe[0]["rows"][0] for version in versions[1:]) == list(range(1, 7))
