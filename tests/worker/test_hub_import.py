"""A dataset of the Hub becomes a dataset of the studio: fetched, read and stored by the chore, with its own split."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from studio import datasets
from studio.actors import LOCAL_ACTOR
from studio.datasets import DatasetVersion, HubSource
from studio.datasets.parts import codes_of_parts
from studio.datasets.splits import Split
from studio.db import reading, transaction
from studio.errors import InvalidInput
from studio.queue import SilentQueue
from tests.formats.test_parquet import written
from tests.worker.benches import on_sqlite, set_, with_
from tests.worker.hub import COMMIT_OF_MAIN, TOKEN, Hub, serve_hub
from worker.bench import Bench
from worker.chores import ChoreSlot
from worker.importing import Import

NAME = "acme/chats"
# The checks of what was imported are left undone: they take longer.
IMPORTS = {"import": Import()}
HEAD = b"---\nlicense: mit\n---\n"


def chats(*words: str) -> bytes:
    rows = [[{"from": "human", "value": f"Say {word}"}, {"from": "gpt", "value": word}] for word in words]
    return written({"conversations": rows})


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve_hub() as server:
        files = {
            "README.md": HEAD,
            "data/train-00000-of-00002.parquet": chats("one", "two", "three"),
            "data/train-00001-of-00002.parquet": chats("four", "five"),
            "data/test-00000-of-00001.parquet": chats("six", "seven"),
        }
        server.add_dataset(NAME, files, gated=True)
        yield server


def imported(bench: Bench, **source: Any) -> datasets.ArrivalSight:
    with transaction(bench.session_factory) as session:
        wanted = HubSource.model_validate({"repository": NAME, **source})
        asked = datasets.ask_hub(session, LOCAL_ACTOR, wanted, queue=SilentQueue())
    ChoreSlot(bench, IMPORTS).drain()
    with reading(bench.session_factory) as session:
        return datasets.get_arrival(session, LOCAL_ACTOR, asked.arrival.id)


@on_sqlite
def test_rows_come_with_their_own_split_and_where_they_are_from(bench: Bench, hub: Hub, tmp_path: Path) -> None:
    bench = with_(set_(bench, hub_endpoint=hub.url), hub_token=TOKEN)

    sight = imported(bench, held_out=True)

    assert (sight.status, sight.chore.problem) == ("done", "")
    with reading(bench.session_factory) as session:
        version = session.scalars(select(DatasetVersion)).one()
        dataset = datasets.get_dataset(session, LOCAL_ACTOR, version.dataset_id)
        card, papers = datasets.dataset_card(dataset, version, {}, []), datasets.croissant(dataset, version)
    rows = [json.loads(line) for line in bench.storage.path(version.rows_key).read_bytes().splitlines()]
    codes = datasets.version_split_codes(version, storage=bench.storage)
    assert [row["messages"][1]["content"] for row in rows[3:]] == ["four", "five", "six", "seven"]
    assert codes[5:] == b"\2\2" and codes.count(1) == 1
    assert version.frozen_split is not None and version.frozen_split["sizes"] == [4, 1, 2]
    assert (dataset.name, version.file_name) == (NAME, f"{NAME}@aaaaaaa (train)")
    assert version.facts["source"]["commit"] == COMMIT_OF_MAIN
    assert f"fetched from: {NAME}, default, train at commit `{COMMIT_OF_MAIN}`" in card
    assert (papers["license"], papers["isBasedOn"]) == ("mit", f"{NAME}@{COMMIT_OF_MAIN}")
    bench.storage.delete(version.rows_key)
    datasets.make_files_again(version, bench.storage, tmp_path, only_offsets=False)
    assert bench.storage.path(version.rows_key).is_file()


@on_sqlite
def test_why_nothing_came_is_told_and_it_can_be_tried_again(bench: Bench, hub: Hub) -> None:
    bench = set_(bench, hub_endpoint=hub.url)

    sight = imported(bench)

    assert sight.status == "failed"
    assert "acme/chats is gated" in sight.chore.problem
    assert sight.may_go_on


@on_sqlite
def test_columns_are_asked_for_and_what_was_fetched_is_read_again(bench: Bench, hub: Hub) -> None:
    bench = set_(bench, hub_endpoint=hub.url)
    shards = {
        f"train-0000{n}-of-00002.parquet": written({"frage": ["a", "b"], "antwort": ["c", "d"]}) for n in range(2)
    }
    hub.add_dataset("acme/fragen", shards)

    asked = imported(bench, repository="acme/fragen")
    with transaction(bench.session_factory) as session:
        mapping = {"prompt": "frage", "completion": "antwort"}
        datasets.go_on(session, LOCAL_ACTOR, asked.arrival.id, queue=SilentQueue(), mapping=mapping)
    ChoreSlot(bench, IMPORTS).drain()

    with reading(bench.session_factory) as session:
        dataset = datasets.list_datasets(session, LOCAL_ACTOR)[0]
    assert isinstance(asked.refusal, datasets.MappingNeeded)
    assert (dataset.latest.row_count, dataset.latest.file_format) == (4, "parquet.zip")
    assert dataset.latest.facts["source"]["repository"] == "acme/fragen"
    assert len([path for path in hub.asked if path.endswith(".parquet")]) == 2


def test_parts_that_are_missing_are_dealt_from_the_train_rows() -> None:
    split = Split(validation_fraction=0.2, test_fraction=0.1)

    both = codes_of_parts({"train": 100, "validation": 5, "test": 7}, split)
    no_validation = codes_of_parts({"train": 100, "test": 7}, split)
    alone = codes_of_parts({"train": 100}, split)

    assert both == bytes(100) + b"\1" * 5 + b"\2" * 7
    assert no_validation[100:] == b"\2" * 7 and [no_validation[:100].count(place) for place in range(3)] == [80, 20, 0]
    assert [alone.count(place) for place in range(3)] == [70, 20, 10]
    with pytest.raises(InvalidInput, match="No row is left to train on"):
        codes_of_parts({"train": 1, "test": 9}, split)
