"""A version keeps the split that its rows had before a fix: its test rows are never trained on."""

import hashlib
import random
from pathlib import Path

import pytest

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.datasets import SPLIT_NAMES, DatasetVersion, Split, codes_key
from studio.db import reading, transaction
from studio.errors import InvalidInput
from studio.queue import SilentQueue
from studio.runs import Run
from tests.worker.benches import MakeRun, claim, read
from worker.assignment import Assignment
from worker.bench import Bench
from worker.paying import Paying
from worker.prepare import prepare, read_start
from worker.supervise import supervise

from .conftest import choose_rows

CODES = bytes(random.Random(4).choices((0, 0, 0, 1, 2), k=40))


@pytest.fixture
def frozen(bench: Bench, version: DatasetVersion, tmp_path: Path) -> DatasetVersion:
    """The version of 40 rows, with a split that no shares and no seed give."""
    (tmp_path / "codes").write_bytes(CODES)
    sha256 = hashlib.sha256(CODES).hexdigest()
    bench.storage.put(tmp_path / "codes", codes_key(sha256))
    with transaction(bench.session_factory) as session:
        stored = session.get_one(DatasetVersion, version.id)
        sizes = tuple(CODES.count(code) for code in range(3))
        stored.split = Split(codes_sha256=sha256, sizes=sizes).model_dump(mode="json")  # type: ignore[arg-type]
        stored.split_sha256 = sha256
    return stored


@pytest.fixture
def run(make_run: MakeRun, frozen: DatasetVersion) -> Run:
    """A run on it."""
    data = {"dataset_version_id": frozen.id, "sha256": frozen.sha256, "split": frozen.split}
    return make_run(base_model={"id": "folder:tiny"}, data=data)


def prepared(bench: Bench) -> Assignment:
    lease = claim(bench)
    with reading(bench.session_factory) as session:
        start = read_start(session, lease)
    return prepare(
        bench, lease, start, Paying(None, None), held_since=0.0, checkpoint=None, check=lambda: None, fetch=_no_download
    )


def _no_download(order: object) -> object:
    raise AssertionError


def test_each_split_holds_the_rows_that_it_held_before(bench: Bench, run: Run) -> None:
    assignment = prepared(bench)

    held = {name: {row.number for row in choose_rows(assignment, name, None)} for name in SPLIT_NAMES}

    assert held == {
        name: {number for number, code in enumerate(CODES, 1) if code == place}
        for place, name in enumerate(SPLIT_NAMES)
    }


def test_the_trainer_reads_the_split_from_what_it_was_handed(bench: Bench, run: Run, tmp_path: Path) -> None:
    assignment = prepared(bench)
    assignment.write(tmp_path)

    again = Assignment.read(tmp_path)

    assert again == assignment
    assert {row.number for row in choose_rows(again, "test", 2)} <= {n for n, code in enumerate(CODES, 1) if code == 2}


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_split_that_is_not_the_recorded_one_is_refused(harm: str, bench: Bench, run: Run) -> None:
    path = bench.storage.path(codes_key(hashlib.sha256(CODES).hexdigest()))
    path.write_bytes(CODES[::-1]) if harm == "changed" else path.unlink()

    supervise(bench, claim(bench))

    failed = read(bench, run.id)
    assert (failed.status, failed.failure_kind) == ("failed", "bad_data")


def test_a_launch_takes_the_frozen_split_and_refuses_another(bench: Bench, frozen: DatasetVersion) -> None:
    data = {"dataset_version_id": frozen.id, "sha256": frozen.sha256}
    plain = runs.validate_spec({"base_model": {"id": "folder:tiny"}, "data": data})
    other = runs.validate_spec({"base_model": {"id": "folder:tiny"}, "data": data | {"split": {"seed": 1}}})

    with transaction(bench.session_factory) as session:
        launched = runs.launch(session, LOCAL_ACTOR, plain, queue=SilentQueue(), settings=bench.settings)
        assert launched.run_spec.data.split == Split.model_validate(frozen.split)
        assert runs.preview(session, LOCAL_ACTOR, plain).test_rows == CODES.count(2)
        with pytest.raises(InvalidInput, match="its test rows stay test rows"):
            runs.launch(session, LOCAL_ACTOR, other, queue=SilentQueue(), settings=bench.settings)


def test_a_plain_version_refuses_the_frozen_split_of_another(bench: Bench, version: DatasetVersion) -> None:
    split = {"codes_sha256": "ab" * 32, "sizes": (30, 5, 5)}
    data = {"dataset_version_id": version.id, "sha256": version.sha256, "split": split}
    spec = runs.validate_spec({"base_model": {"id": "folder:tiny"}, "data": data})

    with pytest.raises(InvalidInput, match="of another version"), transaction(bench.session_factory) as session:
        runs.launch(session, LOCAL_ACTOR, spec, queue=SilentQueue(), settings=bench.settings)
