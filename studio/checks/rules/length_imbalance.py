"""Answers of very uneven length."""

from array import array
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from studio.checks.base import Check, Context, Finding
from studio.checks.seen import Seen

_LEAST_ROWS = 100
_TAIL_ROWS, _TAIL_SHARE, _TAIL_CHARACTERS = 0.01, 0.25, 2000
_HELD_OUT_ROWS, _HELD_OUT_TIMES = 50, 2


class LengthImbalance(Check):
    """Five bytes a row: the length of the last answer, and its split."""

    name = "length_imbalance"
    title = "Answers of very uneven length"
    severity = "note"
    explanation = (
        "A few answers are so long that they hold a large part of all that is learned, or the held-out answers are of "
        "another length than those trained on, so that their loss measures something else."
    )
    advice = "Cap the longest answers, or drop those rows; split by chance where the splits differ."
    fixes = ("cap_length", "drop")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._lengths, self._codes = array("I"), bytearray()

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Remember how long it is."""
        self._lengths.append(len(seen.answer))
        self._codes.append(seen.split_code)
        return ()

    def finish(self) -> Iterator[Finding]:
        """The longest hundredth, if it holds a quarter of all; then the split that differs, by its first row."""
        lengths = np.array(self._lengths, np.int64)
        if len(lengths) < _LEAST_ROWS:
            return
        tail = int(len(lengths) * _TAIL_ROWS)
        longest = np.argpartition(lengths, -tail)[-tail:]
        if lengths[longest].sum() > _TAIL_SHARE * lengths.sum() and lengths[longest].min() > _TAIL_CHARACTERS:
            for place in np.sort(longest).tolist():
                yield Finding(
                    place + 1,
                    f"the answer has {lengths[place]:,} characters; half have at most {np.median(lengths):,.0f}",
                )
        yield from self._tell_of_splits(lengths)

    def _tell_of_splits(self, lengths: npt.NDArray[np.int64]) -> Iterator[Finding]:
        codes = np.frombuffer(self._codes, np.uint8)
        trained, held_out = lengths[codes == 0], lengths[codes == 1]
        if min(len(trained), len(held_out)) < _HELD_OUT_ROWS:
            return
        here, there = float(np.median(trained)), float(np.median(held_out))
        if max(here, there) > _HELD_OUT_TIMES * max(1.0, min(here, there)) and max(here, there) > 40:
            row = int(np.argmax(codes == 1)) + 1
            detail = f"validation answers have {there:,.0f} characters in the middle, those trained on {here:,.0f}"
            yield Finding(row, detail, group=row)

    def facts(self) -> dict[str, object]:
        """Characters of the last answer; `bars` are first, last and how many rows, each range twice the one before."""
        lengths = np.array(self._lengths, np.int64)
        if not len(lengths):
            return {}
        half, most = np.percentile(lengths, [50, 95])
        told = {"p50": int(half), "p95": int(most), "max": int(lengths.max())}
        return {"answer_characters": {**told, "bars": _doubling_bars(lengths)}}


def _doubling_bars(lengths: npt.NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """0, 1, 2 to 3, 4 to 7 and so on, from the first to the last range that has a row."""
    counts = np.bincount(np.frexp(lengths.astype(np.float64))[1]).tolist()
    bars = [(2**bits // 2, max(0, 2**bits - 1), count) for bits, count in enumerate(counts)]
    first = next(place for place, count in enumerate(counts) if count)
    return bars[first:]
