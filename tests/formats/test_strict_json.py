"""The parser refuses what Python's own lets pass."""

import pytest

from studio.formats.limits import ImportLimits
from studio.formats.problems import RowProblem
from studio.formats.strict_json import json_reader, object_reader

read = json_reader(ImportLimits())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' appears twice in one object"),
        ('{"b": {"a": 1, "a": 1}}', "the key 'a' appears twice in one object"),
        ("NaN", "NaN is not a JSON value; use null or a number"),
        ("[Infinity]", "Infinity is not a JSON value; use null or a number"),
        ("-Infinity", "-Infinity is not a JSON value; use null or a number"),
        ("1e999", "the number '1e999' is too large"),
        ("-1e999", "the number '-1e999' is too large"),
        ("9223372036854775808", "the whole number '9223372036854775808' does not fit into 64 bits"),
        ("-9223372036854775809", "the whole number '-9223372036854775809' does not fit into 64 bits"),
        ("[" * 65 + "]" * 65, "nested deeper than 64 levels"),
        ('{"a":' * 100_000, "nested deeper than 64 levels"),
        ("[" * 100_000, "nested deeper than 64 levels"),
        ('{"a" 1}', "not valid JSON at character 6: Expecting ':' delimiter"),
        ("", "not valid JSON at character 1: Expecting value"),
        ("{} {}", "not valid JSON at character 4: Extra data"),
        ('"a\tb"', "not valid JSON at character 3: Invalid control character at"),
        ("{'a': 1}", "not valid JSON at character 2: Expecting property name enclosed in double quotes"),
    ],
)
def test_what_json_does_not_allow_is_refused(text: str, reason: str) -> None:
    with pytest.raises(RowProblem) as refusal:
        read(text)

    assert str(refusal.value).startswith(reason)


def test_an_integer_of_five_thousand_digits_is_refused_and_shown_short() -> None:
    with pytest.raises(RowProblem, match="does not fit into 64 bits") as refusal:
        read("1" * 5000)

    assert len(str(refusal.value)) < 120


def test_an_object_with_too_many_keys_is_refused() -> None:
    text = "{" + ",".join(f'"k{number}": 1' for number in range(257)) + "}"

    with pytest.raises(RowProblem, match="257 keys; 256 are allowed"):
        read(text)


@pytest.mark.parametrize("text", ["[" * 64 + "]" * 64, '"' + "[" * 200 + '"', '"\\"[' + "[" * 200 + '"'])
def test_depth_counts_brackets_outside_strings_only(text: str) -> None:
    read(text)


def test_the_largest_and_smallest_integers_are_read() -> None:
    assert read("[9223372036854775807, -9223372036854775808]") == [2**63 - 1, -(2**63)]


@pytest.mark.parametrize(
    ("text", "found"),
    [("[]", "a list"), ("1", "a number"), ('"x"', "a string"), ("null", "null"), ("true", "true or false")],
)
def test_a_row_must_be_an_object(text: str, found: str) -> None:
    with pytest.raises(RowProblem, match=f"a row is a JSON object, yet this is {found}"):
        object_reader(ImportLimits())(text)


def test_an_unclosed_string_full_of_escapes_takes_linear_time() -> None:
    brackets_that_make_the_depth_be_counted = "[]" * 65

    with pytest.raises(RowProblem, match="not valid JSON"):
        read(brackets_that_make_the_depth_be_counted + '"' + '\\"' * 1_000_000)
