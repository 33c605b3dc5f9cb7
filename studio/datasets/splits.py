"""Train / validation / test splits: a function of the number of rows, the shares and the seed, or frozen in a file.

A version that was made from another one inherits the split of each row, so that a test row stays one; its codes lie
in a file that the split names by its hash.
"""

import random
from array import array
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")
_Size = Annotated[int, Field(ge=0)]


def _is_none(value: object) -> bool:
    return value is None


class Split(BaseModel):
    """The shares of validation and test rows; the rest trains.

    A frozen split names a file of codes and its sizes (train, validation, test); shares and seed then tell where it
    comes from. Both are left out where they are None: version 0.1 refuses names that it does not know.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="Share of rows that the validation loss is measured on; 0.1 is usual."
    )
    test_fraction: float = Field(
        0.1, ge=0, lt=1, description="Share of rows kept for a last, honest test; 0.1 is usual, 0 keeps none."
    )
    seed: int = Field(17, ge=0, lt=2**31, description="The same seed gives the same split; 17 is the default.")
    codes_sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", exclude_if=_is_none, description="The file of codes of a frozen split."
    )
    sizes: tuple[_Size, _Size, _Size] | None = Field(
        None, exclude_if=_is_none, description="Rows of train, validation and test of a frozen split."
    )

    @property
    def is_frozen(self) -> bool:
        """Whether each row has its split for good."""
        return self.codes_sha256 is not None

    @model_validator(mode="after")
    def _is_whole(self) -> "Split":
        if (self.codes_sha256 is None) != (self.sizes is None):
            raise ValueError("a frozen split has both codes_sha256 and sizes")
        return self

    @model_validator(mode="after")
    def _leaves_rows_to_train(self) -> "Split":
        if not self.is_frozen and self.validation_fraction + self.test_fraction >= 0.95:
            raise ValueError("validation and test together must leave at least 5 % of the rows to train on")
        return self


def split_sizes(row_count: int, split: Split) -> dict[SplitName, int]:
    """Count the rows of each split; validation is never empty, and train keeps at least one row.

    Raises ValueError for fewer than two rows, one to train on and one to validate with, and for a frozen split of
    another number of rows.
    """
    if row_count < 2:
        raise ValueError("a dataset needs at least 2 rows: one to train on and one to validate with")
    if split.sizes is not None:
        if sum(split.sizes) != row_count:
            raise ValueError("the frozen split is that of another version of the dataset")
        return dict(zip(SPLIT_NAMES, split.sizes, strict=True))
    validation = min(max(1, round(row_count * split.validation_fraction)), row_count - 1)
    test = min(round(row_count * split.test_fraction), row_count - validation - 1)
    return {"train": row_count - validation - test, "validation": validation, "test": test}


@lru_cache(maxsize=8)
def split_codes(row_count: int, split: Split) -> bytes:
    """One byte for each row: the place of its split in SPLIT_NAMES. Five million rows take 5 MB and 3 s.

    Those of a frozen split lie in a file: raises ValueError.
    """
    if split.is_frozen:
        raise ValueError("the codes of a frozen split are read from its file")
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


def split_rows(row_count: int, split: Split, name: SplitName, codes: bytes | None = None) -> tuple[int, ...]:
    """The row numbers (from 0, ascending) of one split; `codes` are those of the file that a frozen split names."""
    wanted = SPLIT_NAMES.index(name)
    return tuple(row for row, code in enumerate(codes or split_codes(row_count, split)) if code == wanted)


def codes_key(sha256: str) -> str:
    """Where the codes of a frozen split lie in storage: one byte a row."""
    return f"splits/{sha256[:2]}/{sha256}.codes"
