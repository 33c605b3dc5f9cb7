"""Rows as a person reads them."""

from typing import Any

import pytest

from app.pages._rows import turns_of

USER, GOOD, BAD = (
    {"role": role, "content": text} for role, text in (("user", "q"), ("assistant", "g"), ("assistant", "b"))
)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "q", "chosen": "g", "rejected": "b", "fields": {"id": "1"}},
        {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD], "tools": [{"type": "function"}]},
    ],
)
def test_both_answers_of_a_preference_row_are_told_apart(row: dict[str, Any]) -> None:
    assert [(turn.role, turn.text) for turn in turns_of(row)] == [("user", "q"), ("chosen", "g"), ("rejected", "b")]
