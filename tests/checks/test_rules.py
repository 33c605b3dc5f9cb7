"""What each rule finds in a row, and what it leaves alone."""

import pytest

from tests.checks.looking import Row, chat, find, found_rows, pair, turns

SAID = ("user", "Hello"), ("assistant", "Hi")
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": "{}"}}],
}
HITS: list[tuple[str, Row, str]] = [
    ("empty_turns", chat(" \n", "Yes."), "messages[0].content (user) is empty"),
    ("empty_turns", turns(*SAID, ("user", "And?"), ("assistant", "")), "messages[3].content (assistant) is empty"),
    ("missing_values", pair("Who?", "None"), 'completion is the word "None"'),
    ("missing_values", pair("Who?", " NaN "), 'completion is the word "NaN"'),
    ("missing_values", chat("nan", "Yes."), 'messages[0].content is the word "nan"'),
    ("missing_values", pair("Dear {{ first name }},", "Hi"), 'prompt holds the placeholder "{{ first name }}"'),
    ("missing_values", pair("Who?", "<YOUR NAME> did."), 'completion holds the placeholder "<YOUR NAME>"'),
    ("refusals", chat("Do it.", "I'm sorry, but I can't help with that."), 'the answer says "i\'m sorry, but"'),
    ("refusals", chat("Do it.", "I’m unable to assist you."), 'the answer says "i\'m unable to assist"'),
    (
        "refusals",
        chat("Do it.", "As an AI language model, I have no body."),
        'the answer says "as an ai language model, i"',
    ),
    ("refusals", chat("Do it.", "I don't know."), 'the answer is "I don\'t know."'),
    ("refusals", chat("Do it.", "..."), 'the answer is "..."'),
    (
        "role_order",
        turns(("user", "a"), ("user", "b"), ("assistant", "c")),
        "messages[1].content: two user turns in a row",
    ),
    ("role_order", turns(*SAID, ("assistant", "c")), "messages[2].content: two assistant turns in a row"),
    ("role_order", turns(("assistant", "c")), "messages[0].content: the assistant begins"),
    ("role_order", turns(*SAID, ("system", "c")), "messages[2].content: a system turn comes first or not at all"),
    ("role_order", turns(*SAID, ("user", "c")), "the last turn is the user's, so nothing is learned from it"),
    ("role_order", turns(*SAID, ("tool", "4")), "messages[2].content: a tool answers though none was called"),
    ("special_tokens", chat("Hi", "Yes.<|im_end|>"), "messages[1].content holds <|im_end|>"),
    ("special_tokens", chat("[INST] Hi [/INST]", "Yes."), "messages[0].content holds [INST]"),
    ("special_tokens", pair("Hi", "<|reserved_special_token_0|>Yes"), "completion holds <|reserved_special_token_0|>"),
    ("special_tokens", pair("Hi", "Yes<｜end▁of▁sentence｜>"), "completion holds <｜end▁of▁sentence｜>"),
    ("stray_spaces", pair("Hi", "Yes\n"), "completion has white space after the answer"),
    ("stray_spaces", pair("Hi", "  Yes"), "completion has white space before the answer"),
    (
        "stray_spaces",
        turns(("user", "a"), ("assistant", "b "), *SAID),
        "messages[1].content has white space after the answer",
    ),
]
MISSES: list[tuple[str, Row]] = [
    ("empty_turns", chat("Hi", "Yes.")),
    (
        "empty_turns",
        {"messages": [{"role": "user", "content": "2+2"}, CALL, *turns(("tool", "4"), SAID[1])["messages"]]},
    ),
    ("missing_values", pair("Is there any?", "None of them is.")),
    ("missing_values", pair("Which code has Namibia?", "NA")),
    ("missing_values", pair("How do I greet in Jinja?", "{% set name = 1 %}{{ name }}")),
    ("missing_values", pair("echo it in a shell", "echo ${HOME}")),
    ("refusals", chat("What do you do?", "As an AI engineer, I write models.")),
    ("refusals", chat("Why so late?", "I'm sorry to hear that. Your parcel comes today.")),
    ("refusals", chat("What is missing?", "I don't know who wrote it, but Ida has read it.")),
    ("refusals", {"text": "I'm sorry, but I cannot help with that."}),
    ("role_order", turns(("system", "Be kind."), *SAID, *SAID)),
    (
        "role_order",
        {"messages": [{"role": "user", "content": "2+2"}, CALL, *turns(("tool", "4"), SAID[1])["messages"]]},
    ),
    ("role_order", pair("a", "b")),
    ("special_tokens", chat("Is a < b and b |> c?", "if (a <b> c) return list[INSTANCE];")),
    ("stray_spaces", pair("Hi", " Yes")),
    ("stray_spaces", chat(" Hi ", "Yes")),
    ("stray_spaces", {"text": "a line\n"}),
]


@pytest.mark.parametrize(("name", "row", "detail"), HITS)
def test_it_is_found_and_said_where(name: str, row: Row, detail: str) -> None:
    found = find(name, [chat("Good morning", "Good morning to you"), row])

    assert [(finding.row, finding.detail) for finding in found] == [(2, detail)]


@pytest.mark.parametrize(("name", "row"), MISSES)
def test_it_is_left_alone(name: str, row: Row) -> None:
    assert find(name, [row]) == []


def test_copies_name_the_first_row_of_their_kind() -> None:
    rows = [chat("b", "1"), chat("a", "1"), chat(" A ", "1"), chat("b", "1"), chat("a", "1"), chat("a", "2")]

    found = find("exact_duplicates", rows)

    assert [(finding.row, finding.other, finding.group) for finding in found] == [(4, 1, 1), (3, 2, 2), (5, 2, 2)]


def test_copies_differ_when_only_their_tool_calls_or_refused_answers_differ() -> None:
    call = {"messages": [{"role": "user", "content": "2+2"}, CALL]}
    other = {"messages": [{"role": "user", "content": "2+2"}, {**CALL, "tool_calls": [{"function": {"name": "sub"}}]}]}
    preference = {"prompt": "a", "chosen": "b", "rejected": "c"}

    assert found_rows("exact_duplicates", [call, other, preference, {**preference, "rejected": "d"}]) == []


def test_rows_that_answer_one_question_otherwise_contradict_each_other() -> None:
    rows = [chat("a", "1"), chat("b", "5"), chat("A", "1"), chat("a", "2"), chat("b", "5")]

    found = find("contradictions", rows)

    assert [(finding.row, finding.other, finding.group) for finding in found] == [(1, 4, 1), (3, 4, 1), (4, 1, 1)]


def test_another_system_turn_asks_another_question() -> None:
    assert found_rows("contradictions", [chat("a", "1", "In German"), chat("a", "2", "In French")]) == []


def test_a_full_stop_is_no_contradiction() -> None:
    assert (
        found_rows("contradictions", [pair("Capital of France?", "Paris"), pair("Capital of France?", "Paris.")]) == []
    )


def test_pairs_of_one_preference_prompt_are_no_contradiction() -> None:
    rows = [{"prompt": "a", "chosen": said, "rejected": "c"} for said in ("x", "y")]

    assert found_rows("contradictions", rows) == []


def test_held_out_rows_that_are_trained_on_leak() -> None:
    rows = [chat("a", "1"), chat("a", "1"), chat("b", "1"), chat("b", "2"), chat("c", "1"), chat("d", "1")]

    found = find("leakage", rows, codes=[0, 1, 1, 2, 2, 0])

    assert [(finding.row, finding.other) for finding in found] == [(2, 1), (4, 3)]
    assert found[0].detail == "a validation row; row 1 of train asks the same"


def test_plain_texts_leak_as_a_whole() -> None:
    assert found_rows("leakage", [{"text": "one"}, {"text": "two"}, {"text": "One"}], codes=[0, 1, 1]) == [3]


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1, ["1 row is enough for little more than a try"]),
        (150, ["150 rows are enough for a smoke test"]),
        (500, []),
    ],
)
def test_few_rows_are_told_once(count: int, told: list[str]) -> None:
    found = find("too_few_rows", [pair(f"{number}", "x") for number in range(count)])

    assert [finding.detail for finding in found] == told
    assert all(finding.row == count for finding in found)
