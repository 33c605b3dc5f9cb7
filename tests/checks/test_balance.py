"""Labels and lengths that are out of balance, and what the checks tell of the whole dataset."""

from pathlib import Path

from tests.checks.looking import chat, find, pair, run, turns, written


def test_a_label_that_is_twenty_times_rarer_is_told_by_its_first_row() -> None:
    rows = [pair(f"a{n}", "yes") for n in range(100)] + [pair(f"b{n}", "no") for n in range(4)]
    rows += [pair(f"c{n}", "perhaps") for n in range(50)]

    check, found = run("label_imbalance", rows)

    assert [(finding.row, finding.detail) for finding in found] == [
        (101, "4 rows have this label; the most frequent one has 100")
    ]
    assert check.facts() == {"labels": {"yes": 100, "perhaps": 50, "no": 4}}


def test_a_label_that_nearly_all_rows_have_is_told() -> None:
    rows = [pair(f"a{n}", "yes") for n in range(95)] + [pair(f"b{n}", "no") for n in range(5)]

    assert [finding.detail for finding in find("label_imbalance", rows)] == ["95 of 100 rows have this label"]


def test_balanced_labels_and_free_answers_are_left_alone() -> None:
    labels = [pair(f"a{n}", "yes" if n % 3 else "no") for n in range(100)]
    answers = [pair(f"a{n}", f"It is {n}.") for n in range(100)]
    long_ones = [pair(f"a{n}", "a sentence that is far too long for a label" if n else "no") for n in range(100)]

    for rows in (labels, answers, long_ones):
        assert find("label_imbalance", rows) == []


def test_a_label_that_is_an_address_is_not_told() -> None:
    rows = [pair(f"a{n}", "ida.berg@post-nord.se" if n % 3 else "nobody") for n in range(100)]

    check, _ = run("label_imbalance", rows)

    assert check.facts() == {"labels": {"[EMAIL]": 66, "nobody": 34}}


def test_few_answers_that_hold_most_of_what_is_learned_are_told() -> None:
    rows = [pair(f"a{n}", "x" * (50_000 if n in {7, 70} else 100)) for n in range(200)]

    check, found = run("length_imbalance", rows)

    assert [finding.row for finding in found] == [8, 71]
    assert found[0].detail == "the answer has 50,000 characters; half have at most 100"
    told = check.facts()["answer_characters"]
    assert isinstance(told, dict)
    bars = {(first, last): rows for first, last, rows in told.pop("bars") if rows}
    assert told == {"p50": 100, "p95": 100, "max": 50_000}
    assert list(bars) == [(64, 127), (32_768, 65_535)]


def test_held_out_answers_of_another_length_are_told_once() -> None:
    rows = [pair(f"a{n}", "x" * (100 if n < 100 else 300)) for n in range(160)]

    found = find("length_imbalance", rows, codes=[0] * 100 + [1] * 60)

    assert [(finding.row, finding.detail) for finding in found] == [
        (101, "validation answers have 300 characters in the middle, those trained on 100")
    ]


def test_even_lengths_are_left_alone() -> None:
    rows = [pair(f"a{n}", "x" * (100 + n)) for n in range(200)]

    assert find("length_imbalance", rows, codes=[n % 2 for n in range(200)]) == []


def test_turns_are_counted_by_role() -> None:
    check, _ = run("role_order", [turns(("system", "s"), ("user", "u"), ("assistant", "a")), chat("u", "a")])

    assert check.facts() == {
        "turns": {"system": 1, "user": 2, "assistant": 2},
        "turns_per_row": [(2, 1), (3, 1)],
    }


def test_the_most_copied_texts_are_shown_without_what_is_private(tmp_path: Path) -> None:
    rows = (
        [chat("a", "Ask ida.berg@post-nord.se " + "for more " * 20)] * 3 + [chat("b", "Yes.")] * 2 + [chat("c", "No.")]
    )

    check, _ = run("exact_duplicates", rows, path=written(tmp_path, rows))

    text = ("a → Ask [EMAIL] " + "for more " * 20)[:80]
    assert check.facts() == {
        "most_copied": [{"count": 3, "row": 1, "text": text}, {"count": 2, "row": 4, "text": "b → Yes."}]
    }
