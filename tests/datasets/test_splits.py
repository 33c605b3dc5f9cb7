"""Splits: every row in exactly one, the same for the same seed, never without validation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from studio.datasets import SPLIT_NAMES, Split, split_rows, split_sizes
from studio.datasets.splits import split_codes

FRACTIONS = st.tuples(st.floats(0.001, 0.9), st.floats(0, 0.9)).filter(lambda shares: sum(shares) < 0.949)
SPLITS = st.builds(
    lambda shares, seed: Split(validation_fraction=shares[0], test_fraction=shares[1], seed=seed),
    FRACTIONS,
    st.integers(0, 2**31 - 1),
)


@given(row_count=st.integers(2, 400), split=SPLITS)
def test_every_row_is_in_exactly_one_split(row_count: int, split: Split) -> None:
    parts = {name: split_rows(row_count, split, name) for name in SPLIT_NAMES}

    assert sorted(row for part in parts.values() for row in part) == list(range(row_count))
    assert {name: len(part) for name, part in parts.items()} == split_sizes(row_count, split)
    assert all(list(part) == sorted(part) for part in parts.values())


@given(row_count=st.integers(2, 10_000_000), split=SPLITS)
def test_train_and_validation_are_never_empty(row_count: int, split: Split) -> None:
    sizes = split_sizes(row_count, split)

    assert sizes["train"] >= 1
    assert sizes["validation"] >= 1
    assert sizes["test"] >= 0
    assert sum(sizes.values()) == row_count


@given(row_count=st.integers(2, 300), split=SPLITS)
def test_the_same_seed_gives_the_same_split(row_count: int, split: Split) -> None:
    first = split_codes(row_count, split)
    split_codes.cache_clear()

    assert split_codes(row_count, Split(**split.model_dump())) == first


def test_the_default_split_of_ten_rows_never_changes() -> None:
    parts = {name: split_rows(10, Split(), name) for name in SPLIT_NAMES}

    # Runs name rows by split and seed: a change here would let trained rows into validation.
    assert parts == {"train": (0, 1, 2, 4, 5, 6, 8, 9), "validation": (7,), "test": (3,)}


def test_another_seed_gives_another_split() -> None:
    assert split_rows(100, Split(seed=1), "validation") != split_rows(100, Split(seed=2), "validation")


def test_one_row_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="at least 2 rows"):
        split_sizes(1, Split())


@pytest.mark.parametrize("shares", [(0, 0.1), (0.5, 0.45), (-0.1, 0), (0.1, 1)])
def test_shares_that_leave_nothing_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(ValidationError):
        Split(validation_fraction=shares[0], test_fraction=shares[1])


FROZEN = {"codes_sha256": "ab" * 32, "sizes": (6, 3, 1)}


def test_a_plain_split_is_written_as_version_0_1_reads_it() -> None:
    assert Split(seed=5).model_dump() == {"validation_fraction": 0.1, "test_fraction": 0.1, "seed": 5}
    assert set(Split(seed=5).model_dump(mode="json")) == {"validation_fraction", "test_fraction", "seed"}


def test_a_frozen_split_answers_from_its_sizes_and_its_file() -> None:
    split = Split.model_validate(FROZEN)

    assert Split.model_validate_json(split.model_dump_json()) == split
    assert split_sizes(10, split) == {"train": 6, "validation": 3, "test": 1}
    assert split_rows(10, split, "validation", bytes([0, 1, 2, 1, 0, 0, 0, 1, 0, 0])) == (1, 3, 7)


def test_a_frozen_split_is_that_of_one_version() -> None:
    split = Split.model_validate(FROZEN)

    with pytest.raises(ValueError, match="another version"):
        split_sizes(11, split)
    with pytest.raises(ValueError, match="from its file"):
        split_codes(10, split)


@pytest.mark.parametrize("half", [{"codes_sha256": "ab" * 32}, {"sizes": (1, 1, 1)}])
def test_half_a_frozen_split_is_refused(half: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Split.model_validate(half)


@pytest.mark.parametrize("codes", ["../../etc", "AB" * 32, "ab"])
def test_the_codes_of_a_split_are_named_by_a_hash(codes: str) -> None:
    with pytest.raises(ValidationError):
        Split.model_validate(FROZEN | {"codes_sha256": codes})
