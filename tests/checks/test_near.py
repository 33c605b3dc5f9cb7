"""What counts as nearly the same, and what only looks like it."""

import random
from pathlib import Path

import pytest

from studio.checks import sketches
from studio.checks.likeness import one_slip_apart
from studio.checks.rules import _near
from studio.checks.words import hashed_words, words_of
from tests.checks.looking import Row, chat, find, pair, run, written
from tests.checks.sentences import answer_and_question, story

STORY = (
    "The patient gardener mapped the hollow orchard of Orawen after the storm. The rusty clock in the hall struck nine "
    "while nobody but the cat was listening. In the morning the letter had gone, and so had the boat."
)


def among_others(*rows: Row) -> list[Row]:
    """These rows first, then two hundred that have nothing to do with them."""
    chance = random.Random(3)
    others = (answer_and_question(chance) for _ in range(200))
    return [*rows, *(chat(question, answer) for answer, question in others)]


def near(folder: Path, kind: str, rows: list[Row], codes: list[int] | None = None) -> list[tuple[int, int]]:
    found = find(f"near_{kind}", rows, codes or [], written(folder, rows))
    return [(finding.row, finding.other) for finding in found]


@pytest.mark.parametrize(
    "copy",
    [
        STORY.replace(",", "").replace(". ", "; "),
        f"Hello! {STORY} Thank you very much.",
        STORY.replace("nobody but the cat", "no one but the cat"),
        STORY.replace("In the morning", "Early in the morning"),
        STORY.replace("struck nine", "struck nine times"),
    ],
)
def test_an_edited_copy_of_a_text_is_a_near_duplicate(tmp_path: Path, copy: str) -> None:
    rows = among_others(chat(f"Summarise: {STORY}", "A boat left."), chat(f"Summarise: {copy}", "A boat left."))

    assert near(tmp_path, "duplicates", rows) == [(2, 1)]


def test_a_typing_error_in_a_usual_word_is_seen_in_short_questions_too(tmp_path: Path) -> None:
    rows = among_others(chat("What is the capital of Iceland?", "A"), chat("What is the captial of Iceland?", "A"))

    assert near(tmp_path, "duplicates", rows) == [(2, 1)]


def test_exact_copies_are_not_told_twice(tmp_path: Path) -> None:
    rows = among_others(chat(STORY, "Yes."), chat(STORY, "Yes."), chat(STORY.upper(), "Yes."))

    assert near(tmp_path, "duplicates", rows) == []
    assert near(tmp_path, "contradictions", rows) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Say 1.", "Say 2."),
        ("What is 17 plus 25?", "What is 17 plus 26?"),
        ("What is -7 + 12 in base ten?", "What is 7 + 12 in base ten?"),
        ("How many kilometres are 1.5 miles in total?", "How many kilometres are 15 miles in total?"),
        ("What is the capital of Gambia?", "What is the capital of Zambia?"),
        ("What is the capital of Austria?", "What is the capital of Australia?"),
        ("Convert five kilometres to miles now", "Convert five miles to kilometres now"),
        (f"{STORY} Is this allowed?", f"{STORY} Is this not allowed?"),
        (f"Room 12 is booked. {STORY}", f"Room 14 is booked. {STORY}"),
        ("How do I declare an array in C?", "How do I declare an array in C++?"),
    ],
)
def test_questions_that_differ_in_what_matters_do_not_contradict(tmp_path: Path, one: str, other: str) -> None:
    rows = among_others(chat(one, "yes"), chat(other, "no"))

    assert near(tmp_path, "contradictions", rows) == []


def test_rows_of_one_template_are_not_nearly_the_same(tmp_path: Path) -> None:
    chance = random.Random(5)
    fixed = "Read the review and answer with one word, positive or negative, and nothing else. Review: "
    rows = [pair(fixed + story(chance, 1, 2), chance.choice(["positive", "negative"])) for _ in range(400)]

    assert near(tmp_path, "duplicates", rows) == []
    assert near(tmp_path, "contradictions", rows) == []


def test_two_wordings_of_a_question_with_two_answers_contradict(tmp_path: Path) -> None:
    rows = among_others(
        chat("How long may the kettle boil?", "Two minutes."), chat("Please, how long may the kettle boil", "An hour.")
    )

    assert near(tmp_path, "contradictions", rows) == [(1, 2), (2, 1)]
    assert near(tmp_path, "duplicates", rows) == []


def test_two_wordings_with_one_answer_do_not_contradict(tmp_path: Path) -> None:
    rows = among_others(
        chat("How long may the kettle boil?", "Two minutes."), chat("How long may the kettle boil!!", "two minutes")
    )

    assert near(tmp_path, "contradictions", rows) == []


def test_a_held_out_row_leaks_when_another_wording_is_trained_on(tmp_path: Path) -> None:
    rows = among_others(
        chat("How long may the kettle boil?", "Two minutes."),
        chat("Hello, how long may the kettle boil?", "It may boil for three."),
        chat("How wide is the orchard of Linves?", "Wide."),
        chat("How wide is the orchard of Linves?", "Narrow."),
    )
    codes = [0, 1, 0, 1] + [0] * 200

    assert near(tmp_path, "leakage", rows, codes) == [(2, 1)]


def test_plain_texts_leak_as_a_whole(tmp_path: Path) -> None:
    rows: list[Row] = [{"text": STORY}, {"text": f"{STORY}!!"}, {"text": "Quite another one, of the same length."}]

    assert near(tmp_path, "leakage", rows, [0, 2, 2]) == [(2, 1)]
    assert near(tmp_path, "contradictions", rows) == []


def test_without_rensa_copies_that_differ_in_punctuation_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sketches, "RMinHash", None)
    rows = among_others(chat(STORY, "Yes."), chat(f"Hi! {STORY}", "yes"))

    assert near(tmp_path, "duplicates", rows) == [(2, 1)]


def test_of_very_many_rows_the_first_are_compared_and_the_facts_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_near, "ROWS_LOOKED_AT", 150)
    rows = [*among_others(chat(STORY, "Yes."), chat(f"Hi! {STORY}", "Yes.")), chat(f"Hello, {STORY}", "Yes.")]

    check, found = run("near_duplicates", rows, path=written(tmp_path, rows))

    assert [finding.row for finding in found] == [2]
    assert check.facts() == {"rows_compared": 150, "rows": 203, "by_sketches": True}


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("capital", "captial", True),
        ("capital", "capitl", True),
        ("capital", "capittal", True),
        ("capital", "cabital", True),
        ("capital", "capital", True),
        ("austria", "australia", False),
        ("capital", "cpaiatl", False),
    ],
)
def test_a_slip_is_one_letter_or_a_swap(one: str, other: str, apart: bool) -> None:
    assert one_slip_apart(one, other) is apart


@pytest.mark.parametrize(
    "text",
    ["", "It's a well-known x2 of 1.5 -7", "'quoted' o''clock '", "日本語 and ไทย, 3,000.", "a_b #c d.e -f 9"],
)
def test_words_are_the_same_whether_as_strings_or_as_numbers(text: str) -> None:
    words = words_of(text)
    hashes, owners = hashed_words(["before", text, "after"])

    assert owners.tolist() == [0, *[1] * len(words), 2]
    for word, number in zip(words, hashes[1:-1].tolist(), strict=True):
        assert word in "-.,:" or [number] == hashed_words([word])[0].tolist()
