"""What differs between two versions is found through their ancestors, here or by a worker, and swept with them."""

import shutil

import pytest

from studio import chores, datasets, house
from studio.actors import LOCAL_ACTOR
from studio.datasets import Dataset
from studio.db import reading, transaction
from studio.house import House
from studio.queue import SilentQueue
from studio.settings import Settings
from studio.storage import LocalStorage
from tests.doing import DUPLICATES, do_chores, mend, versions
from worker.bench import Bench


def differing(bench: Bench, dataset: Dataset, before: int, after: int) -> dict[str, list[tuple[str | None, ...]]]:
    """The completions of the rows that differ, before and after, by kind."""
    known = versions(bench, dataset)
    difference = datasets.compare(
        known[before - 1], known[after - 1], storage=bench.storage, cache=bench.settings.cache_dir
    )
    assert difference is not None
    told = {}
    for kind in datasets.DIFF_KINDS:
        rows = datasets.read_difference(difference, kind, storage=bench.storage, start=0, limit=99)
        assert len(rows) == difference.counts[kind]
        sides = [(row.before, row.after) for row in rows]
        told[kind] = [tuple(side and side.row["completion"] for side in pair) for pair in sides]
    return told


def test_two_versions_are_compared_row_by_row(bench: Bench, dataset: Dataset) -> None:
    edit = {"do": "edit", "number": 3, "row": {"prompt": "Say 2", "completion": "Two"}}
    mend(bench, dataset.latest, [edit, {"do": "drop_rows", "rows": [48]}])
    mend(bench, versions(bench, dataset)[-1], [{"do": "drop_rows", "rows": [1]}])
    with transaction(bench.session_factory) as session:
        found = datasets.get_dataset(session, LOCAL_ACTOR, dataset.id)
        datasets.use_again(session, LOCAL_ACTOR, found, found.versions[0], queue=SilentQueue())
    mend(bench, versions(bench, dataset)[-1], [{"do": "drop_rows", "rows": [47]}])

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
    bench: Bench, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = {"do": "edit", "number": 3, "row": {"prompt": "Say 2", "completion": "Two"}}
    mend(bench, dataset.latest, [edit, {"do": "drop_rows", "rows": [5, 6]}])
    here = differing(bench, dataset, 1, 2)
    cache = bench.settings.cache_dir
    shutil.rmtree(cache / "diffs")
    monkeypatch.setattr("studio.datasets.diff.ROWS_AT_ONCE", 10)

    for _ in range(2):
        with transaction(bench.session_factory) as session:
            pair = datasets.get_dataset(session, LOCAL_ACTOR, dataset.id).versions
            assert datasets.compare(*pair, storage=bench.storage, cache=cache) is None
            chore = datasets.ask_difference(session, LOCAL_ACTOR, *pair, queue=SilentQueue(), cache=cache)
        do_chores(bench)

        with reading(bench.session_factory) as session:
            done = chores.get_chore(session, LOCAL_ACTOR, chore.id)
        assert (done.status, done.result["counts"]) == ("done", {"dropped": 2, "added": 0, "changed": 1})
        assert differing(bench, dataset, 1, 2) == here
        shutil.rmtree(cache / "diffs")


def test_what_was_found_in_a_deleted_dataset_is_swept_from_the_cache(
    bench: Bench, dataset: Dataset, settings: Settings, storage: LocalStorage
) -> None:
    mend(bench, dataset.latest, DUPLICATES, publish=False)
    mend(bench, dataset.latest, DUPLICATES)
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
