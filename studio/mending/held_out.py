"""Test rows from another dataset: whatever of the parent asks the same, or nearly the same, is left out of training."""

from array import array
from collections.abc import Iterator
from typing import Any

import orjson

from studio.checks.seen import SPLITS, Seen
from studio.chores.child import CannotDo
from studio.mending.parent import Parent, TestRows

_TEST, _TRAIN = SPLITS.index("test"), SPLITS.index("train")
_TOGETHER_FILE = "together.jsonl"
_TOLD_EVERY_ROWS = 2000


def add_test(parent: Parent, place: int, step: dict[str, Any]) -> None:
    """Drop the rows that collide with the test rows, and decide what becomes of the present ones."""
    if parent.test is None:
        raise CannotDo("The dataset with the test rows is gone.")
    if step["present_test"] == "train":
        parent.codes = bytes(_TRAIN if code == _TEST else code for code in parent.codes)
    for number in sorted(set(_alike(parent, parent.test))):
        if parent.codes[number - 1] != _TEST:
            parent.drop(number, place)
            parent.alike += 1
    if step["present_test"] == "drop":
        for number, code in enumerate(parent.codes, start=1):
            if code == _TEST:
                parent.drop(number, place)


def _alike(parent: Parent, test: TestRows) -> Iterator[int]:
    """The rows of the parent whose question, or text where there is none, a test row asks too: as the checks see it.

    Test rows come first, so that they are among those that are compared word by word, however many rows there are.
    """
    # They bring numpy with them, which takes a quarter of a second.
    from studio.checks.base import Context
    from studio.checks.rules._near import Near

    total = test.row_count + parent.row_count
    together = parent.folder / _TOGETHER_FILE
    near, asked = Near(Context(total, parent.canonical, rows=together)), array("Q")
    with together.open("wb", buffering=1 << 20) as stream:
        start = 0
        for number, line in enumerate(_lines(parent, test), start=1):
            stream.write(line)
            seen = Seen(number, 0, orjson.loads(line), start)
            start += len(line)
            near.look(seen)
            asked.append(seen.question_hash if seen.normal_question else seen.text_hash)
            if number % _TOLD_EVERY_ROWS == 0:
                parent.tell("Comparing rows", number, total)
    known = set(asked[: test.row_count])
    yield from (at + 1 for at, value in enumerate(asked[test.row_count :]) if value in known)
    for places in near.same_questions().rows():
        if places[0] < test.row_count:
            yield from (int(at) - test.row_count + 1 for at in places if at >= test.row_count)
    together.unlink()


def _lines(parent: Parent, test: TestRows) -> Iterator[bytes]:
    yield from test.lines()
    yield from (line for _, line in parent.lines("Looking at rows"))
