"""Deterministic train / validation / test splits: a function of the number of rows, the shares and the seed."""

import random
from array import array
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")


class Split(BaseModel):
    """The shares of validation and test rows; the rest trains."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="Share of rows that the validation loss is measured on; 0.1 is usual."
    )
    test_fraction: float = Field(
        0.1, ge=0, lt=1, description="Share of rows kept for a last, honest test; 0.1 is usual, 0 keeps none."
    )
    seed: int = Field(17, ge=0, lt=2**31, description="The same seed gives the same split; 17 is the default.")

    @model_validator(mode="after")
    def _leaves_rows_to_train(self) -> "Split":
        if self.validation_fraction + self.test_fraction >= 0.95:
            raise ValueError("validation and test together must leave at least 5 % of the rows to train on")
        return self


def split_sizes(row_count: int, split: Split) -> dict[SplitName, int]:
    """Count the rows of each split; validation is never empty, and train keeps at least one row.

    Raises ValueError for fewer than two rows: one to train on and one to validate with.
    """
    if row_count < 2:
        raise ValueError("a dataset needs at least 2 rows: one to train on and one to validate with")
    validation = min(max(1, round(row_count * split.validation_fraction)), row_count - 1)
    test = min(round(row_count * split.test_fraction), row_count - validation - 1)
    return {"train": row_count - validation - test, "validation": validation, "test": test}


@lru_cache(maxsize=8)
def split_codes(row_count: int, split: Split) -> bytes:
    """One byte for each row: the place of its split in SPLIT_NAMES. Five million rows take 5 MB and 3 s."""
    sizes = split_sizes(row_count, split)
    order = array("I", range(row_count))
    random.Random(split.seed).shuffle(order)  # noqa: S311 - a permutation, no secret
    codes = bytearray(row_count)
    validation, test = sizes["validation"], sizes["test"]
    for row in order[:validation]:
        codes[row] = SPLIT_NAMES.index("validation")
    for row in order[validation : validation + test]:
        codes[row] = SPLIT_NAMES.index("test")
    return bytes(codes)


def split_rows(row_count: int, split: Split, name: SplitName) -> tuple[int, ...]:
    """The row numbers (from 0, ascending) of one split."""
    wanted = SPLIT_NAMES.index(name)
    return tuple(row for row, code in enumerate(split_codes(row_count, split)) if code == wanted)
