"""Deals units of rows out to train (0), validation (1) and test (2)."""

import random
from collections.abc import Callable, Sequence

TRAIN, VALIDATION, TEST = 0, 1, 2
Unit = list[int]


def deal(
    codes: bytearray,
    units: Sequence[Unit],
    stratum_of: Callable[[Unit], object],
    *,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
) -> None:
    """Give each unit a side: of every stratum the same shares, as near as whole units allow.

    A unit goes to the held-out side that lacks most of what it should have, if that lacks at least half of the unit;
    large units come first, so that small ones even them out. What rounding costs one stratum the next one gets back.
    """
    strata: dict[object, list[Unit]] = {}
    for unit in units:
        strata.setdefault(stratum_of(unit), []).append(unit)
    chosen = random.Random(seed)  # noqa: S311 - a permutation, no secret
    lacking = {VALIDATION: 0.0, TEST: 0.0}
    for stratum in sorted(strata, key=repr):
        members = strata[stratum]
        rows = sum(len(unit) for unit in members)
        lacking[VALIDATION] += rows * validation_fraction
        lacking[TEST] += rows * test_fraction
        chosen.shuffle(members)
        for unit in sorted(members, key=len, reverse=True):
            side = max(lacking, key=lacking.__getitem__)
            if lacking[side] * 2 < len(unit) or (lacking[side] <= 0):
                continue
            lacking[side] -= len(unit)
            for row in unit:
                codes[row] = side


def deal_in_order(codes: bytearray, units: Sequence[Unit], *, validation_fraction: float, test_fraction: float) -> None:
    """The last units test, those before them validate: what is measured lies after what was trained on."""
    rows = sum(len(unit) for unit in units)
    test, validation = round(rows * test_fraction), round(rows * (test_fraction + validation_fraction))
    dealt = 0
    for unit in reversed(units):
        side = TEST if dealt < test else VALIDATION if dealt < validation else TRAIN
        dealt += len(unit)
        for row in unit:
            codes[row] = side
