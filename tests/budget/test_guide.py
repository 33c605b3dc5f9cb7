"""Should one fine-tune at all: every combination of answers gets one clear advice without a contradiction."""

from itertools import product

import pytest

from studio.budget.guide import QUESTIONS, WAYS, advise, known_answers
from studio.budget.guide_rules import RULES
from studio.errors import InvalidInput

USUAL = {
    "learn": "behaviour",
    "change": "rarely",
    "examples": "many",
    "format": "free",
    "latency": "relaxed",
    "license": "yes",
}
ALL = [
    dict(zip([question.name for question in QUESTIONS], values, strict=True))
    for values in product(*[[answer.value for answer in question.answers] for question in QUESTIONS])
]


def first(**changes: str) -> str:
    """The way advised first."""
    return advise(USUAL | changes).first.way


def test_there_are_six_questions_and_five_ways() -> None:
    assert [question.name for question in QUESTIONS] == list(USUAL)
    assert list(WAYS) == ["prompt", "few_shot", "rag", "fine_tune", "pretrain"]
    assert len(ALL) == 3 * 3 * 5 * 2 * 2 * 3


def test_every_combination_has_one_first_advice_with_a_reason_and_a_next_step() -> None:
    for answers in ALL:
        guidance = advise(answers)

        assert {one.way for one in guidance.ranking} == set(WAYS)
        assert guidance.first.pros and not guidance.first.is_out, answers
        assert guidance.sentence == f"{guidance.first.label}. {guidance.first.pros[0].text}"
        assert guidance.first.next_step


def test_every_reason_belongs_to_an_answer_that_was_given() -> None:
    held = {(rule.question, rule.answer, rule.reason) for rule in RULES}

    for answers in ALL:
        for one in advise(answers).ranking:
            for reason in (*one.pros, *one.cons):
                assert (reason.question, answers[reason.question], reason.text) in held


def test_no_advice_contradicts_an_answer() -> None:
    for answers in ALL:
        way = advise(answers).first.way

        if answers["license"] == "no":
            assert way not in {"fine_tune", "pretrain"}, answers
        if answers["change"] == "weekly":
            assert way not in {"fine_tune", "pretrain"}, answers
        if answers["examples"] in {"none", "few", "text"}:
            assert way != "fine_tune", answers
        if answers["examples"] in {"none", "text"}:
            assert way != "few_shot", answers
        if answers["examples"] != "text":
            assert way != "pretrain", answers
        if answers["learn"] == "behaviour":
            assert way not in {"rag", "pretrain"}, answers
        if answers["learn"] == "knowledge":
            assert way not in {"fine_tune", "few_shot"}, answers


def test_ways_that_are_out_come_last_and_points_fall() -> None:
    for answers in ALL:
        ranking = advise(answers).ranking

        keys = [(one.is_out, -one.points) for one in ranking]
        assert keys == sorted(keys)


def test_more_examples_never_speak_against_a_fine_tune() -> None:
    def points(answers: dict[str, str], examples: str) -> int:
        return next(one.points for one in advise(answers | {"examples": examples}).ranking if one.way == "fine_tune")

    for answers in ALL:
        assert points(answers, "none") < points(answers, "few") < points(answers, "some") < points(answers, "many")


@pytest.mark.parametrize(
    ("changes", "way"),
    [
        ({}, "fine_tune"),
        ({"format": "strict", "latency": "fast"}, "fine_tune"),
        ({"learn": "knowledge", "change": "weekly"}, "rag"),
        ({"learn": "knowledge"}, "rag"),
        ({"learn": "both", "change": "weekly"}, "rag"),
        ({"examples": "none"}, "prompt"),
        ({"examples": "few"}, "few_shot"),
        ({"license": "no"}, "prompt"),
        ({"learn": "knowledge", "examples": "text", "latency": "fast"}, "pretrain"),
    ],
)
def test_clear_cases_get_the_known_answer(changes: dict[str, str], way: str) -> None:
    assert first(**changes) == way


def test_every_way_is_advised_to_somebody() -> None:
    assert {advise(answers).first.way for answers in ALL} == set(WAYS)


def test_facts_that_change_weekly_are_told_why_a_fine_tune_would_be_stale() -> None:
    ranking = advise(USUAL | {"learn": "knowledge", "change": "weekly"}).ranking

    assert "It changes every week: what is looked up is as fresh as its source." in [
        one.text for one in ranking[0].pros
    ]
    tune = next(one for one in ranking if one.way == "fine_tune")
    assert tune.cons[0].text == "It changes every week: a fine-tune would be stale before it is checked."


def test_what_would_change_the_advice_is_said() -> None:
    assert advise(USUAL | {"examples": "few"}).turning == (
        "With 100 or more good examples, fine-tuning would come first.",
    )
    assert advise(USUAL).turning == ()


def test_a_close_call_is_said_to_be_one() -> None:
    doubts = [advise(answers).doubt for answers in ALL]

    assert advise(USUAL).doubt == ""
    assert 0 < sum(map(bool, doubts)) < len(ALL) / 3
    assert all(doubt.startswith("It is close: “") for doubt in doubts if doubt)


def test_behaviour_over_looked_up_facts_is_offered_as_both() -> None:
    assert "Both work together" in advise(USUAL | {"learn": "both", "change": "weekly"}).together
    assert advise(USUAL | {"learn": "both", "license": "no"}).together == ""


def test_an_answer_that_is_missing_or_unknown_is_asked_for_by_name() -> None:
    with pytest.raises(InvalidInput) as caught:
        advise(USUAL | {"change": "sometimes"})

    assert caught.value.fields == {"change": "Choose one: rarely, yearly, weekly."}
    assert known_answers({"change": "sometimes", "learn": "both", "x": "y"}) == {"learn": "both"}
