"""What estimates learn from runs that are over: how long rows are, and how much memory they took."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.budget.estimate import Estimate
from studio.budget.lengths import GUESSED, MEASURED
from studio.datasets import DatasetVersion
from studio.db import SessionFactory, transaction
from studio.runs import Measurement, RunSpec
from studio.settings import Settings
from tests.spending.test_quoting import GIB, launched, quoted, see_worker, spec_of

CUT = {"data": {"max_length_tokens": 256}}


def ended(session: Session, spec: RunSpec, settings: Settings, **told: Any) -> runs.Run:
    """A run that has finished and told of its rows."""
    run = launched(session, spec, settings)
    rows = {"mean_tokens": 200.0, "longest_tokens": 256, "learned_share": 0.25}
    run.status, run.phase = "succeeded", "done"
    run.resolved = {"rows": rows, "cut_rows": 0, "max_length": 256} | told
    session.flush()
    return run


def estimated(session: Session, spec: RunSpec, settings: Settings) -> Estimate:
    found = quoted(session, spec, settings, "l4").estimate
    assert found is not None
    return found


def test_the_rows_of_an_earlier_run_take_the_place_of_the_guess(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    with transaction(session_factory) as session:
        before = estimated(session, spec_of(version), settings)
        ended(session, spec_of(version, **CUT), settings)
        after = estimated(session, spec_of(version), settings)
        others = [
            estimated(session, spec_of(version, base_model={"id": "Qwen/Qwen3-8B"}), settings),
            estimated(session, spec_of(version, data={"max_train_rows": 10}), settings),
        ]

    assert (before.lengths_source, after.lengths_source) == (GUESSED, MEASURED)
    assert before.seconds is not None and after.seconds is not None
    assert after.seconds.high / after.seconds.low < before.seconds.high / before.seconds.low
    # 200 tokens on average and 256 at most, though the form still allows 1,024.
    assert 200 <= after.tokens / (after.steps * after.effective_batch) <= 256
    assert after.memory_bytes is not None and before.memory_bytes is not None
    assert after.memory_bytes < before.memory_bytes
    assert [one.lengths_source for one in others] == [GUESSED, MEASURED]


def test_rows_that_a_run_has_cut_tell_nothing_of_longer_ones(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    with transaction(session_factory) as session:
        ended(session, spec_of(version, **CUT), settings, cut_rows=3)
        as_long, longer = (estimated(session, spec, settings) for spec in (spec_of(version, **CUT), spec_of(version)))

    assert (as_long.lengths_source, longer.lengths_source) == (MEASURED, GUESSED)


def test_rows_of_a_part_or_of_a_mix_are_not_those_of_the_dataset(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    with transaction(session_factory) as session:
        ended(session, spec_of(version, data={"max_train_rows": 5}), settings)
        mixed = ended(session, spec_of(version), settings)
        mixed.spec = mixed.spec | {"data": mixed.spec["data"] | {"mix": [{"dataset_version_id": version.id}]}}
        session.flush()
        found = estimated(session, spec_of(version), settings)

    assert found.lengths_source == GUESSED


@pytest.mark.parametrize(
    ("before", "wanted", "is_bounded"),
    [
        ({}, {"hyperparameters": {"seed": 7}}, True),
        ({"data": {"max_train_rows": 10}}, {"data": {"max_train_rows": 10}}, True),
        # Other ten rows, and rows that have something to learn only now, may be longer.
        ({"data": {"max_train_rows": 10}}, {"data": {"max_train_rows": 10}, "hyperparameters": {"seed": 7}}, False),
        ({}, {"data": {"train_on": "everything"}}, False),
    ],
)
def test_the_longest_row_of_a_run_bounds_those_of_the_same_rows_alone(
    session_factory: SessionFactory,
    version: DatasetVersion,
    settings: Settings,
    before: dict[str, Any],
    wanted: dict[str, Any],
    is_bounded: bool,
) -> None:
    with transaction(session_factory) as session:
        guessed = estimated(session, spec_of(version, **wanted), settings)
        ended(session, spec_of(version, **before), settings)
        after = estimated(session, spec_of(version, **wanted), settings)

    assert after.lengths_source == MEASURED
    assert after.memory_bytes is not None and guessed.memory_bytes is not None
    assert (after.memory_bytes < guessed.memory_bytes) is is_bounded


def test_the_largest_that_fit_are_told_as_runs_have_needed_memory(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    spec = spec_of(version, method={"kind": "lora"})
    with transaction(session_factory) as session:
        see_worker(session, "CPU", 3 * GIB, cores=2)
        before = quoted(session, spec, settings)
        for seed in range(3):
            session.add(_needed(launched(session, spec_of(version, hyperparameters={"seed": seed}), settings), 1.5))
        session.flush()
        after = quoted(session, spec, settings)
        assert after.largest_batch is not None and after.largest_length is not None
        batch = {"batch_size": after.largest_batch}
        at_most = quoted(session, spec_of(version, hyperparameters=batch), settings).estimate
        beyond = quoted(session, spec_of(version, hyperparameters={"batch_size": batch["batch_size"] + 1}), settings)

    assert before.largest_batch is not None and after.largest_batch < before.largest_batch
    assert before.largest_length is not None and after.largest_length < before.largest_length
    assert at_most is not None and at_most.fit == "fits"
    assert beyond.estimate is not None and beyond.estimate.fit == "tight"


def test_the_table_of_hardware_says_the_same_of_the_own_one_as_the_bar(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    with transaction(session_factory) as session:
        run = launched(session, spec_of(version), settings)
        session.add(_needed(run, 1.5, hardware="l4"))
        session.flush()
        found = quoted(session, spec_of(version), settings, "l4")

    own = next(one for one in found.fittings if one.hardware_id == "l4")
    assert found.estimate is not None and own.memory_bytes == found.estimate.memory_bytes


def _needed(run: runs.Run, factor: float, hardware: str = "cpu") -> Measurement:
    parts = ("start", "preparing", "step", "validation", "answers", "checkpoint", "export")
    return Measurement(
        run_id=run.id,
        owner_id=LOCAL_ACTOR.id,
        hardware=hardware,
        device="CPU",
        model_type="llama",
        base_model="demo",
        method="lora",
        facts={
            "version": 1,
            "measured": dict.fromkeys(parts, 1.0),
            "estimated": dict.fromkeys(parts, 1.0),
            "memory": {"measured": factor * 1e9, "estimated": 1e9},
        },
    )
