"""Test rows from elsewhere: rows that ask the same are left out, whatever becomes of the present test rows."""

from typing import Any

import pytest

from studio.chores.child import CannotDo
from tests.mending.conftest import Mend, pair

ROWS = [pair(f"Say the number {n}", f"It is {n}") for n in range(20)]
CODES = "1" * 2 + "0" * 14 + "2" * 4
# Equal but for capitals, nearly equal, equal to a validation row, equal to a present test row, and new.
TEST = [
    pair(" say the NUMBER 5", "Five"),
    pair("Please, say the number 7!", "Seven"),
    pair("Say the number 1", "It is 1"),
    pair("Say the number 19", "x"),
    pair("New", "y"),
]
VERSION = "dsv_" + "0" * 26


def step(present_test: str = "keep") -> list[dict[str, Any]]:
    return [{"do": "add_test", "dataset_version_id": VERSION, "present_test": present_test, "name": "exam"}]


def test_rows_that_ask_the_same_are_left_out_and_the_test_rows_come_last(mend: Mend) -> None:
    mended = mend(ROWS, step(), CODES, test=TEST)

    assert mended.rows[-5:] == TEST
    assert mended.rows[:-5] == [row for n, row in enumerate(ROWS) if n not in {1, 5, 7}]
    assert mended.codes == bytes([1, *[0] * 12, *[2] * 9])
    assert mended.origins[-6:] == [20, 0, 0, 0, 0, 0]
    assert (mended.result["dropped"], mended.result["alike"], mended.result["added"]) == (3, 3, 5)
    assert [change["row"] for change in mended.changes] == [2, 6, 8]
    assert mended.changes[0]["why"] == ["Test with the rows of exam, beside the present test rows"]


def test_present_test_rows_are_left_out_or_trained_on_if_the_person_says_so(mend: Mend) -> None:
    without, trained = (mend(ROWS, step(choice), CODES, test=TEST) for choice in ("drop", "train"))

    assert without.result["sizes"] == [12, 1, 5]
    assert without.result["alike"] == 3
    # Row 20 asks what a test row asks, so it is not trained on either.
    assert trained.result["sizes"] == [15, 1, 5]
    assert ROWS[19] not in trained.rows


def test_plain_texts_collide_by_what_they_say(mend: Mend) -> None:
    rows = [{"text": f"Text number {n} of all"} for n in range(9)]

    mended = mend(rows, step(), test=[{"text": "TEXT number 4 of all"}])

    assert mended.result["alike"] == 1
    assert mended.rows[-1] == {"text": "TEXT number 4 of all"}


def test_a_try_writes_no_rows_and_tells_the_same(mend: Mend) -> None:
    mended = mend(ROWS, step(), CODES, test=TEST, publish=False)

    assert mended.result["sizes"] == [12, 1, 9]
    assert {path.name for path in mended.folder.iterdir()} == {"changes.jsonl", "changes.offsets", "progress.json"}


def test_what_leaves_nothing_to_train_on_or_is_of_another_kind_is_refused(mend: Mend) -> None:
    with pytest.raises(CannotDo, match="No train row would be left"):
        mend(ROWS[:3], step(), "102", test=ROWS[1:2])
    with pytest.raises(CannotDo, match="The test rows are messages"):
        mend(ROWS, step(), CODES, test=[{"messages": [{"role": "assistant", "content": "a"}]}])
