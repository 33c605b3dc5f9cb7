"""The order of rows is a function of (seed, step): nothing is seen twice in a pass, nothing is left out."""

import random
from itertools import chain

import numpy as np
import pytest
import torch

from worker.sampler import EndlessBatches, permutation
from worker.seeding import seed_step


def batches(rows: int, batch_size: int, first: int, stop: int, seed: int = 17) -> list[list[int]]:
    return list(EndlessBatches(rows, batch_size=batch_size, seed=seed, first=first, stop=stop))


@pytest.mark.parametrize(("rows", "batch_size"), [(1, 3), (7, 2), (10, 4), (10, 10), (5, 12), (97, 8)])
def test_each_pass_holds_every_row_once_and_every_batch_is_full(rows: int, batch_size: int) -> None:
    found = batches(rows, batch_size, 0, 60)

    assert {len(batch) for batch in found} == {batch_size}
    stream = list(chain.from_iterable(found))
    passes = [stream[start : start + rows] for start in range(0, len(stream) - rows + 1, rows)]
    assert all(sorted(one) == list(range(rows)) for one in passes)


@pytest.mark.parametrize("first", range(25))
def test_going_on_at_any_batch_gives_the_same_rest(first: int) -> None:
    assert batches(7, 2, first, 25) == batches(7, 2, 0, 25)[first:]


def test_the_length_is_what_is_left() -> None:
    assert len(EndlessBatches(7, batch_size=2, seed=1, first=5, stop=12)) == 7


def test_passes_and_seeds_differ_and_no_global_generator_is_drawn_from() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()

    orders = {tuple(permutation(50, seed, epoch)) for seed in (1, 2) for epoch in range(4)}

    assert len(orders) == 8
    assert torch.equal(torch.get_rng_state(), before)


def test_the_order_is_the_same_on_every_machine_and_version() -> None:
    assert permutation(8, 17, 0).tolist() == [7, 4, 3, 2, 0, 1, 5, 6]


def test_a_step_seeds_every_generator_and_no_other_step_alike() -> None:
    def draw(seed: int, step: int) -> tuple[float, float, float]:
        seed_step(seed, step)
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    assert draw(17, 3) == draw(17, 3)
    assert len({draw(seed, step) for seed in (17, 18) for step in (3, 4)}) == 4
