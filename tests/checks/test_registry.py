"""Every file of rules is a check, and every check says what a beginner needs."""

from studio.checks import rules
from studio.checks.base import Check
from studio.checks.rules import all_checks
from studio.datasets.recipe import Drop


def test_every_check_has_a_name_of_its_own_that_can_be_part_of_an_address() -> None:
    names = [check.name for check in all_checks()]

    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)


def test_every_check_has_words_and_knows_its_fixes() -> None:
    for check in all_checks():
        assert check.severity in {"blocker", "warning", "note"}
        assert check.title[0].isupper() and not check.title.endswith(".")
        assert check.explanation.endswith(".") and len(check.explanation) < 400
        assert check.advice.endswith(".")


def test_a_recipe_calls_each_check_by_its_title() -> None:
    for check in all_checks():
        assert Drop(check=check.name).title == check.title


def test_checks_that_offer_to_mend_a_row_can_mend_it() -> None:
    for check in all_checks():
        mends = check.mended is not Check.mended
        assert mends == bool({"trim", "redact"} & set(check.fixes)), check.name


def test_blockers_come_first_and_a_check_is_found_by_its_file_alone() -> None:
    order = ("blocker", "warning", "note")
    places = [order.index(check.severity) for check in all_checks()]

    assert places == sorted(places)
    assert {check.__module__.rpartition(".")[0] for check in all_checks()} == {rules.__name__}
