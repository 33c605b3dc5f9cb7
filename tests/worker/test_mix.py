"""A run on several datasets: prepared from their files, tokenised together; the datasets stay while it needs them."""

import json
from pathlib import Path
from typing import Any

import pytest

from studio import datasets, runs
from studio.actors import LOCAL_ACTOR
from studio.datasets import Dataset, DatasetVersion
from studio.db import reading, transaction
from studio.errors import Conflict, InvalidInput
from studio.queue import SilentQueue
from tests.worker.benches import MakeRun, claim
from worker.assignment import Assignment, MixFiles
from worker.bench import Bench
from worker.data import prepare_data
from worker.paying import Paying
from worker.prepare import prepare, read_start

from .conftest import Assign

PARTS = {"base_model": {"id": "folder:tiny"}}


def part_of(version: DatasetVersion, **changes: Any) -> dict[str, Any]:
    """A part of a mix as the launch form writes it."""
    own = {"dataset_version_id": version.id, "sha256": version.sha256, "row_count": version.row_count}
    return own | {"split": version.split, "weight": 0.5} | changes


def data_of(version: DatasetVersion, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"dataset_version_id": version.id, "sha256": version.sha256, "split": version.split, "mix": list(parts)}


@pytest.fixture
def other(bench: Bench, version: DatasetVersion) -> DatasetVersion:
    """A second dataset of the same rows."""
    names = ("file_name", "file_format", "file_size_bytes", "original_sha256", "shape", "canonical", "column_mapping")
    names += ("sha256", "size_bytes", "row_count", "split", "facts", "owner_id")
    copied = DatasetVersion(**{name: getattr(version, name) for name in names}, number=1)
    with transaction(bench.session_factory) as session:
        session.add(Dataset(owner_id=LOCAL_ACTOR.id, name="General", versions=[copied]))
    return copied


def test_the_trainer_is_handed_the_files_of_every_part(
    bench: Bench, make_run: MakeRun, version: DatasetVersion, other: DatasetVersion
) -> None:
    make_run(data=data_of(version, part_of(other)), **PARTS)
    lease = claim(bench)
    with reading(bench.session_factory) as session:
        start = read_start(session, lease)

    assignment = prepare(
        bench, lease, start, Paying(None, None), held_since=0.0, checkpoint=None, check=lambda: None, fetch=_no_download
    )

    [files] = assignment.mix
    assert files.rows_path == bench.storage.path(other.rows_key)
    assert Assignment.model_validate_json(assignment.model_dump_json()) == assignment


def _no_download(order: object) -> object:
    raise AssertionError


def test_a_dataset_that_a_run_mixes_in_stays(
    bench: Bench, make_run: MakeRun, version: DatasetVersion, other: DatasetVersion
) -> None:
    make_run(data=data_of(version, part_of(other)), **PARTS)

    with pytest.raises(Conflict), transaction(bench.session_factory) as session:
        datasets.delete_dataset(session, LOCAL_ACTOR, other.dataset_id)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dataset_version_id": "dsv_" + "0" * 26}, "data.mix.0.dataset_version_id"),
        ({"sha256": "1" * 64}, "data.mix.0.sha256"),
        ({"row_count": 41}, "data.mix.0.sha256"),
        ({"split": {"seed": 5}}, "data.mix.0.split"),
    ],
)
def test_a_part_that_is_not_as_the_spec_says_is_refused(
    changes: dict[str, Any], field: str, bench: Bench, version: DatasetVersion, other: DatasetVersion
) -> None:
    spec = runs.validate_spec({"data": data_of(version, part_of(other, **changes))} | PARTS)

    with pytest.raises(InvalidInput) as refusal, transaction(bench.session_factory) as session:
        runs.launch(session, LOCAL_ACTOR, spec, queue=SilentQueue(), settings=bench.settings)

    assert list(refusal.value.fields) == [field]


def chat(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "yes"}]}


@pytest.fixture
def mixed(assign: Assign, tmp_path: Path) -> Assignment:
    """Forty conversations, and forty plain texts at half a row for each of them."""
    texts = [{"text": f"General text number {n}."} for n in range(40)]
    lines = [json.dumps(row).encode() + b"\n" for row in texts]
    starts = [sum(map(len, lines[:place])) for place in range(len(lines))]
    (tmp_path / "texts.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "texts.offsets").write_bytes(b"".join(start.to_bytes(8, "little") for start in starts))
    part = {"dataset_version_id": "dsv_" + "1" * 26, "sha256": "1" * 64, "row_count": 40, "weight": 0.5}
    assignment = assign([chat(f"Is {n} a number?") for n in range(40)], data={"mix": [part]})
    files = MixFiles(rows_path=tmp_path / "texts.jsonl", offsets_path=tmp_path / "texts.offsets")
    return assignment.model_copy(update={"mix": (files,)})


@pytest.mark.parametrize("cached", [False, True])
def test_rows_of_both_are_learned_in_the_shares_of_the_spec(
    cached: bool, mixed: Assignment, tokenizer: Any, tmp_path: Path
) -> None:
    if cached:
        mixed = mixed.model_copy(update={"token_cache": tmp_path / "tokens"})

    data = prepare_data(mixed, tokenizer, 128)

    own = [row for row in data.train.rows if row.number <= 40]
    general = [row for row in data.train.rows if row.number > 40]
    assert (len(own), len(general), len(data.validation.rows)) == (32, 16, 4)
    assert all(row.number <= 40 for row in data.validation.rows)
    assert all("General text" in tokenizer.decode(row.input_ids) for row in general)


def test_the_same_spec_prepares_the_same_rows_twice(mixed: Assignment, tokenizer: Any) -> None:
    first, again = (prepare_data(mixed, tokenizer, 128) for _ in range(2))

    assert [row.number for row in first.train.rows] == [row.number for row in again.train.rows]


def test_equal_mixes_measure_both(mixed: Assignment, tokenizer: Any) -> None:
    spec = mixed.spec.model_copy(update={"data": mixed.spec.data.model_copy(update={"mixing": "equal"})})

    data = prepare_data(mixed.model_copy(update={"spec": spec}), tokenizer, 128)

    assert len(data.train.rows) == 64
    assert {row.number > 40 for row in data.validation.rows} == {False, True}


def test_a_run_without_a_mix_is_planned_as_before(version: DatasetVersion, make_run: MakeRun) -> None:
    run = make_run(**PARTS)

    assert "mix" not in run.spec["data"]
    assert runs.make_plan(run.run_spec, version.row_count).train_rows == 32
