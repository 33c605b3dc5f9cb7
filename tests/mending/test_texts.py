"""Steps that change texts: they redact and trim what the checks found, and nothing else."""

from typing import Any

import pytest

from tests.mending.conftest import Mend, pair

ROWS = [pair(f"Say {n}", f"It is {n}") for n in range(1, 7)]
MAIL = "jo.bloggs@tunewright.dev"


def test_what_is_personal_is_redacted_and_told_of_without_a_trace_in_the_new_rows(mend: Mend) -> None:
    rows = [*ROWS, pair(f"Write to {MAIL}", "Done.")]

    mended = mend(rows, [{"do": "redact", "check": "personal_data"}])

    assert mended.changed == [7]
    assert MAIL not in (mended.folder / "rows.jsonl").read_text(encoding="utf-8")
    assert mended.rows[6]["prompt"].startswith("Write to [")
    assert mended.rows[:6] == ROWS


def test_answers_are_trimmed_where_the_check_found_white_space(mend: Mend) -> None:
    rows = [*ROWS, pair("Say 7 ", "It is 7\n\n"), pair("Say 8", "  It is 8")]

    mended = mend(rows, [{"do": "trim", "check": "stray_spaces"}])

    assert mended.changed == [7, 8]
    assert [row["completion"] for row in mended.rows[6:]] == ["It is 7", "It is 8"]
    assert mended.result["steps"] == [{"dropped": 0, "changed": 2}]


def test_steps_change_a_row_one_after_the_other(mend: Mend) -> None:
    long = "It is seven. And it goes on and on. \n"
    recipe = [{"do": "trim", "check": "stray_spaces"}, {"do": "cap_length", "characters": 20}]

    mended = mend([*ROWS, pair("Say 7", long)], recipe)

    assert mended.rows[6]["completion"] == "It is seven."
    assert mended.changes[0]["why"] == [
        "White space around answers: trim the texts",
        "Cap the last answers at 20 characters, at the end of a sentence",
    ]


def test_a_change_that_is_undone_by_the_next_step_is_none(mend: Mend) -> None:
    recipe = [
        {"do": "edit", "number": 2, "row": pair("Say 2", "Two")},
        {"do": "edit", "number": 2, "row": ROWS[1]},
        {"do": "drop_rows", "rows": [6]},
    ]

    mended = mend(ROWS, recipe)

    assert (mended.result["changed"], mended.changed) == (0, [])


@pytest.mark.parametrize("recipe", [[{"do": "use_chosen"}], [{"do": "cap_length", "characters": 20}]])
def test_what_stands_beside_the_texts_stays(recipe: list[dict[str, Any]], mend: Mend) -> None:
    long = "This answer goes on. It does so for a while."
    beside = {"tools": [{"type": "function", "function": {"name": "look"}}], "fields": {"topic": "a"}}
    said = [{"role": "user", "content": "Go on"}]
    answer = [{"role": "assistant", "content": long}]
    rows = [{"prompt": said, "chosen": answer, "rejected": answer, **beside} for _ in range(4)]

    mended = mend(rows, recipe)

    assert mended.result["changed"] == 4
    assert all({key: row[key] for key in beside} == beside for row in mended.rows)
