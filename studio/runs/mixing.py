"""Which rows of several datasets make the training rows of one run: a function of the spec alone. Pure."""

import random
from collections.abc import Sequence

from studio.datasets.splits import split_sizes
from studio.runs.spec import RunSpec


def train_counts(spec: RunSpec, row_count: int) -> tuple[int, ...]:
    """How many train rows the first dataset gives, then each part of the mix; `row_count` is the first one's.

    `weights`: all rows of the first, and of each part its weight times as many, or all that it has. `equal`: as many
    of each as the smallest has. `all`: every row. No row is taken twice in an epoch. `max_train_rows` bounds the
    first dataset before its parts are counted. Raises ValueError for a dataset of fewer than two rows.
    """
    data = spec.data
    own = split_sizes(row_count, data.split)["train"]
    first = min(own, data.max_train_rows or own)
    has = [split_sizes(part.row_count, part.split)["train"] for part in data.mix]
    if data.mixing == "equal" and data.mix:
        smallest = min(first, *has)
        return (smallest,) * (1 + len(has))
    if data.mixing == "all":
        return (first, *has)
    wanted = (max(1, round(part.weight * first)) for part in data.mix)
    return (first, *(min(count, rows) for count, rows in zip(wanted, has, strict=True)))


def validation_counts(spec: RunSpec, row_count: int) -> tuple[int, ...]:
    """How many validation rows each dataset gives.

    With `weights` only the first one's task is measured, since the others are there against forgetting; else each
    gives its share of `max_rows`, one row at least.
    """
    data, most = spec.data, spec.evaluation.max_rows
    has = [split_sizes(row_count, data.split)["validation"]]
    has += [split_sizes(part.row_count, part.split)["validation"] for part in data.mix]
    if data.mixing == "weights":
        return (min(has[0], most), *(0 for _ in data.mix))
    share = most / sum(has)
    return tuple(min(rows, max(1, round(rows * min(1.0, share)))) for rows in has)


def choose(positions: Sequence[int], count: int, *, seed: int, part: int) -> Sequence[int]:
    """`count` of these positions in their order; the choice depends on the seed and the part's place (the first: 0)."""
    if count >= len(positions):
        return positions
    # The first dataset is chosen from as it was before there were mixes.
    chosen = random.Random(seed if part == 0 else f"{seed}/{part}")  # noqa: S311 - a seeded choice, not a secret
    return sorted(chosen.sample(positions, count))
