"""What each step of a recipe does to rows whose faults are known."""

import hashlib
import random
from collections import Counter
from typing import Any

import pytest

from studio.chores.child import CannotDo
from studio.mending.steps import cut
from tests.mending.conftest import Mend, pair

ROWS = [pair(f"Say {n}", f"It is {n}") for n in range(1, 7)]


def test_the_rows_of_a_check_are_dropped_and_the_others_stay_as_they_were(mend: Mend) -> None:
    rows = [*ROWS[:2], pair("Say", " "), *ROWS[2:]]

    mended = mend(rows, [{"do": "drop", "check": "empty_turns"}])

    assert mended.rows == ROWS
    assert mended.origins == [1, 2, 4, 5, 6, 7]
    assert mended.changed == []
    assert mended.result["steps"] == [{"dropped": 1, "changed": 0}]
    assert mended.changes == [
        {"row": 3, "kind": "dropped", "why": ["Empty turns: drop the rows"], "before": rows[2], "after": None}
    ]


def test_the_first_of_equal_rows_is_kept(mend: Mend) -> None:
    mended = mend([*ROWS, ROWS[1], ROWS[4], ROWS[1]], [{"do": "keep_first", "check": "exact_duplicates"}])

    assert mended.origins == [1, 2, 3, 4, 5, 6]


def test_where_the_first_was_dropped_before_the_next_one_is_kept(mend: Mend) -> None:
    recipe = [{"do": "drop_rows", "rows": [2]}, {"do": "keep_first", "check": "exact_duplicates"}]

    mended = mend([*ROWS, ROWS[1], ROWS[1]], recipe)

    assert mended.origins == [1, 3, 4, 5, 6, 7]
    assert mended.result["steps"] == [{"dropped": 1, "changed": 0}, {"dropped": 1, "changed": 0}]


def test_the_answer_that_most_rows_give_is_kept(mend: Mend) -> None:
    votes = [pair("Colour?", "red"), pair("Colour?", "Blue"), pair("colour?", "blue "), pair("Size?", "big")]

    mended = mend([*votes, *ROWS], [{"do": "keep_majority"}], "0000100000")

    assert mended.origins == [2, 3, 4, 5, 6, 7, 8, 9, 10]


def test_a_tie_goes_to_the_answer_that_came_first(mend: Mend) -> None:
    mended = mend([*ROWS, pair("Colour?", "red"), pair("Colour?", "blue")], [{"do": "keep_majority"}])

    assert mended.origins == [1, 2, 3, 4, 5, 6, 7]


def test_a_dropped_row_has_no_vote(mend: Mend) -> None:
    votes = [pair("Colour?", "red"), pair("Colour?", "red"), pair("Colour?", "blue")]

    mended = mend([*ROWS, *votes], [{"do": "drop_rows", "rows": [7, 8]}, {"do": "keep_majority"}])

    assert mended.origins == [1, 2, 3, 4, 5, 6, 9]


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [
        ("short", 20, "short"),
        ("One sentence ends. The next one is too long.", 30, "One sentence ends."),
        ("He said “so.” Then he went on and on.", 20, "He said “so.”"),
        ("It costs 3.50 in all shops of the town", 20, "It costs 3.50 in all"),
        ("no end of a sentence in all of these words", 20, "no end of a sentence"),
        ("First line\nsecond line that is long", 20, "First line"),
        ("ab. " + "c" * 60, 20, "ab. " + "c" * 16),
        ("x" * 60, 20, "x" * 20),
        ("これは長い文です。とても長い文が続きます。", 20, "これは長い文です。"),
    ],
)
def test_an_answer_is_cut_where_a_sentence_or_a_word_ends(text: str, limit: int, kept: str) -> None:
    if text.startswith("これ"):
        limit = 12

    assert cut(text, limit) == kept


def test_only_the_last_answer_is_capped_and_the_rest_of_the_message_stays(mend: Mend) -> None:
    long = "This answer goes on. " * 4

    def row(answer: str) -> dict[str, Any]:
        turns = [("user", "Go on"), ("assistant", long), ("user", "And?"), ("assistant", answer)]
        return {"messages": [{"role": role, "content": text} for role, text in turns]}

    mended = mend([row(long), row("Short."), row("Shorter")], [{"do": "cap_length", "characters": 45}])

    assert mended.rows[0] == row("This answer goes on. This answer goes on.")
    assert mended.changed == [1]


def test_rows_of_a_label_are_taken_from_the_train_split_alone_and_the_same_ones_each_time(mend: Mend) -> None:
    rows = [pair(f"Say {n}", "no" if n % 10 else "yes") for n in range(100)]
    codes = "".join(random.Random(1).choices("00012", k=len(rows)))

    mended = mend(rows, [{"do": "rebalance", "most": 5, "seed": 3}], codes)

    labels = Counter((row["completion"], code) for row, code in zip(mended.rows, mended.codes, strict=True))
    held_out = Counter((row["completion"], int(code)) for row, code in zip(rows, codes, strict=True) if code != "0")
    assert labels == {**held_out, ("no", 0): 5, ("yes", 0): 5}
    # The choice is part of the recipe: these rows on every machine.
    digest = hashlib.sha256(",".join(map(str, mended.origins)).encode()).hexdigest()
    assert digest[:16] == "c4e5a3aff0afe38e"


def test_an_edited_row_takes_the_place_of_the_old_one(mend: Mend) -> None:
    mended = mend(ROWS, [{"do": "edit", "number": 3, "row": pair("Say three", "Three")}])

    assert mended.rows == [*ROWS[:2], pair("Say three", "Three"), *ROWS[3:]]
    assert mended.changes[0]["before"] == ROWS[2]
    assert mended.changes[0]["after"] == pair("Say three", "Three")


def test_preference_rows_become_pairs_of_prompt_and_chosen_answer(mend: Mend) -> None:
    rows = [{"prompt": f"Say {n}", "chosen": f"It is {n}", "rejected": "No"} for n in range(1, 7)]

    mended = mend(rows, [{"do": "use_chosen"}])

    assert mended.rows == ROWS
    assert (mended.result["canonical"], mended.result["changed"]) == ("prompt_completion", 6)


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ([{"do": "drop", "check": "empty_turns"}], "Nothing would change"),
        ([{"do": "trim", "check": "no_such_check"}], "Nothing is known"),
        ([{"do": "drop", "check": "no_such_check"}], "not kept any more"),
        ([{"do": "drop_rows", "rows": [7]}], "There is no row 7"),
        ([{"do": "drop_rows", "rows": [1]}], "No validation row would be left"),
        ([{"do": "drop_rows", "rows": [2, 3, 4, 5, 6]}], "Fewer than two rows"),
        ([{"do": "edit", "number": 2, "row": {"text": "alone"}}], "has to stay of that kind"),
        ([{"do": "edit", "number": 9, "row": {"text": "alone"}}], "There is no row 9"),
        ([{"do": "edit", "number": 2, "row": pair("NUL", "\0")}], "Row 2 cannot be kept so"),
        ([{"do": "use_chosen"}], "one answer each"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(
    recipe: list[dict[str, Any]], sentence: str, mend: Mend
) -> None:
    with pytest.raises(CannotDo, match=sentence):
        mend(ROWS, recipe)


def test_no_train_row_left_is_refused(mend: Mend) -> None:
    with pytest.raises(CannotDo, match="No train row would be left"):
        mend(ROWS, [{"do": "drop_rows", "rows": [3, 4, 5, 6]}], "110000")
