"""Several datasets in one run: how many rows of each, and which."""

from typing import Any

import pytest

from studio.runs import RunSpec, make_plan
from studio.runs.mixing import choose, train_counts, validation_counts

ID, OTHER = f"dsv_{'a' * 26}", f"dsv_{'b' * 26}"


def spec(*rows: int, weight: float = 0.25, max_rows: int = 200, **data: Any) -> RunSpec:
    """A run on a dataset with parts of so many rows."""
    mix = [{"dataset_version_id": OTHER, "sha256": "1" * 64, "row_count": count, "weight": weight} for count in rows]
    return RunSpec.model_validate(
        {
            "data": {"dataset_version_id": ID, "sha256": "0" * 64, "mix": mix, **data},
            "evaluation": {"max_rows": max_rows},
        }
    )


@pytest.mark.parametrize(
    ("mixed", "counts"),
    [
        (spec(10_000), (800, 200)),
        (spec(100), (800, 80)),
        (spec(10_000, 10_000, weight=1.0), (800, 800, 800)),
        (spec(10_000, max_train_rows=100), (100, 25)),
        (spec(100, 10_000, mixing="equal"), (80, 80, 80)),
        (spec(100, 10_000, mixing="all"), (800, 80, 8000)),
        (spec(), (800,)),
        (spec(mixing="equal"), (800,)),
    ],
)
def test_so_many_rows_of_each(mixed: RunSpec, counts: tuple[int, ...]) -> None:
    assert train_counts(mixed, 1000) == counts
    assert make_plan(mixed, 1000).train_rows == sum(counts)


def test_a_share_against_forgetting_is_not_what_is_measured() -> None:
    assert validation_counts(spec(10_000), 1000) == (100, 0)
    assert validation_counts(spec(1000, mixing="equal"), 1000) == (100, 100)
    assert validation_counts(spec(3000, mixing="all", max_rows=100), 1000) == (25, 75)


def test_the_same_spec_chooses_the_same_rows_and_each_part_its_own() -> None:
    positions = range(1000)

    first, again = (choose(positions, 50, seed=3, part=1) for _ in range(2))

    assert first == again == sorted(set(first))
    assert first != choose(positions, 50, seed=3, part=2)
    assert first != choose(positions, 50, seed=4, part=1)


def test_a_spec_without_a_mix_is_written_as_before_there_were_mixes() -> None:
    assert {"mix", "mixing"}.isdisjoint(spec().model_dump(mode="json")["data"])
    assert "mix" in spec(100).model_dump(mode="json")["data"]
