"""A split that is settled before the import: the parts of a dataset, whose rows lie one part after another."""

import random
from collections.abc import Mapping

from studio.datasets.splits import SPLIT_NAMES, Split, SplitName
from studio.errors import InvalidInput


def codes_of_parts(parts: Mapping[str, int], split: Split) -> bytes:
    """One byte for each row, as in `split_codes`: rows of a part stay in it.

    A part that is not there is dealt from the train rows by the split's shares and seed. Raises InvalidInput when
    nothing would be left to train on.
    """
    sizes = {name: parts.get(name, 0) for name in SPLIT_NAMES}
    codes = bytearray(b"".join(bytes([place]) * sizes[name] for place, name in enumerate(SPLIT_NAMES)))
    # The rows lie in the order of the names, which train begins.
    order = list(range(sizes["train"]))
    random.Random(split.seed).shuffle(order)  # noqa: S311 - a permutation, no secret
    shares: dict[SplitName, float] = {"validation": split.validation_fraction, "test": split.test_fraction}
    for name, share in shares.items():
        least = 1 if name == "validation" else 0
        wanted = 0 if sizes[name] else max(least, round(sizes["train"] * share))
        dealt, order = order[:wanted], order[wanted:]
        for row in dealt:
            codes[row] = SPLIT_NAMES.index(name)
    if not order:
        raise InvalidInput("No row is left to train on: the rows of the train part have problems or are too few.")
    return bytes(codes)
