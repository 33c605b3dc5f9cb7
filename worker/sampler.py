"""Which rows make up which step: a function of (seed, step), so that nothing about the order must be saved."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


def permutation(rows: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the rows in one pass, as positions (N,).

    Ranks the raw numbers of Philox (Salmon et al., 2011), keyed by seed and epoch: NumPy keeps that stream stable
    from version to version, unlike its `permutation`.
    """
    keys = np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)).random_raw(rows)
    return np.argsort(keys, kind="stable")


class EndlessBatches(Sampler[list[int]]):
    """The batches of a whole run, cut from all its passes laid end to end, so that every one of them is full."""

    def __init__(self, rows: int, *, batch_size: int, seed: int, first: int, stop: int) -> None:
        """`first` and `stop` count batches from the start of the run; what comes before `first` was consumed."""
        self._rows = rows
        self._batch_size = batch_size
        self._seed = seed
        self._first = first
        self._stop = stop

    def end(self) -> None:
        """Give none any more."""
        self._stop = self._first

    def __len__(self) -> int:
        return self._stop - self._first

    def __iter__(self) -> Iterator[list[int]]:
        position, end = self._first * self._batch_size, self._stop * self._batch_size
        batch: list[int] = []
        while position < end:
            epoch, offset = divmod(position, self._rows)
            for row in permutation(self._rows, self._seed, epoch)[offset : offset + end - position].tolist():
                batch.append(row)
                if len(batch) == self._batch_size:
                    yield batch
                    batch = []
            position += min(self._rows - offset, end - position)
