"""The pass over a whole file: its answer for good files, and a report, never a crash, for any bytes."""

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.formats.limits import ImportLimits
from studio.formats.report import Report

Check = Callable[..., Report]
FRAGMENTS = st.sampled_from(
    [
        b'{"text": "a"}', b'{"prompt": "a", "completion": "b"}', b"[", b"]", b"{", b"}", b'"', b"\\", b",", b":",
        b"\n", b"\r", b"\r\n", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xff", b"\\ud800", b"\\u0000", b"NaN", b"1e999",
        b"messages", b"text,label\n", b"prompt,completion\n", b"a,b\n", b"\x1f\x8b\x08\x00", b"PAR1", b"PK\x03\x04",
        b'{"messages": [{"role": "assistant", "content": "a"}]}', b"9" * 30, "\u2028\u202e".encode(), b"null", b"\t",
    ]
)  # fmt: skip
NAMES = st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.tsv", "a.parquet", "a.jsonl.gz", "a.parquet.gz"])
MAPPINGS = st.none() | st.dictionaries(st.sampled_from(["prompt", "completion", "text", "x"]), st.text(max_size=3))


@given(
    name=NAMES,
    content=st.binary(max_size=200) | st.lists(FRAGMENTS | st.binary(max_size=4), max_size=30).map(b"".join),
    mapping=MAPPINGS,
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_a_report(check: Check, name: str, content: bytes, mapping: dict[str, str] | None) -> None:
    report = check(name, content, mapping=mapping)

    assert report.outcome in {"accepted", "invalid", "unsupported", "too_large", "needs_mapping", "wrong_mapping"}
    assert report.outcome != "invalid" or (report.problems and report.problem_count)
    "".join(report.problems + list(report.columns) + [report.message]).encode()


def test_all_problems_are_counted_and_the_first_are_kept(check: Check) -> None:
    report = check("a.jsonl", b'{"text": "a"}\n' + b'{"text": ""}\n' * 250 + b'{"text": "b"}\n')

    assert report.problem_count == 250
    assert len(report.problems) == 100
    assert report.problems[0] == "row 2: text is empty"


def test_reading_ends_after_very_many_problems(check: Check) -> None:
    report = check("a.jsonl", b"x\n" * 500, limits=ImportLimits(problems_counted=200))

    assert report.problem_count == 200


def test_problems_of_all_kinds_are_told_together(check: Check) -> None:
    content = (
        b'{"text": "a"}\n\n{"text": NaN}\n{"prompt": "p", "completion": "c"}\n{"text": "\\ud800"}\n{"text": "\xff"}'
    )

    assert check("a.jsonl", content).problems == [
        "row 2 (line 3): NaN is not a JSON value; use null or a number",
        "row 3 (line 4): this row has the shape prompt_completion, yet the file began as text; use one shape",
        "row 4 (line 5): text holds half of a surrogate pair (\\ud800 to \\udfff)",
        "The file is not UTF-8 at byte 93. Save it as UTF-8 and upload it again.",
    ]


def test_text_and_messages_are_not_mixed_in_pairs(check: Check) -> None:
    chat = '[{"role": "assistant", "content": "a"}]'
    content = f'{{"prompt": "p", "completion": "c"}}\n{{"prompt": {chat}, "completion": {chat}}}\n'

    assert check("a.jsonl", content.encode()).problems == [
        "row 2: this row is prompt_completion of messages, yet the file began as prompt_completion; use one shape"
    ]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", b"", "The file is empty: it has no rows."),
        ("a.jsonl", b"\n \n\r\n", "The file is empty: it has no rows."),
        ("a.jsonl", b"\xef\xbb\xbf", "The file is empty: it has no rows."),
        ("a.json", b"[]", "The file is empty: it has no rows."),
        ("a.csv", b"", "The file is empty: it has no rows."),
        ("a.csv", b"prompt,completion\n", "The file has a header, but no rows."),
        ("a.csv", b"foo,bar\n", "The file has a header, but no rows."),
        ("a.jsonl", b'{"text": "a"}\n', "The file has 1 row; a dataset needs 2 at least,"),
        ("a.jsonl", b"{}\n{}\n", "row 1: the row is empty"),
        ("a.jsonl", b"nonsense\nnonsense\n", "row 1: not valid JSON at character 1: Expecting value"),
        ("a.csv", b"prompt,completion\na\n", "row 1 (line 2): has 1 cells, yet the header names 2 columns"),
    ],
)
def test_files_without_usable_rows_are_refused(check: Check, name: str, content: bytes, reason: str) -> None:
    report = check(name, content)

    assert report.outcome == "invalid"
    assert report.problems[0].startswith(reason)


def test_unknown_columns_are_asked_about_with_examples(check: Check) -> None:
    report = check("a.csv", b"foo,bar\n1,x\n2,\n3,x\n4,y\n")

    assert report.outcome == "needs_mapping"
    assert report.columns == {"foo": ["1", "2", "3"], "bar": ["x", "x", "y"]}


def test_unknown_keys_are_asked_about_too(check: Check) -> None:
    report = check("a.jsonl", b'{"frage": "a"}\n{"frage": "b", "antwort": {"x": 1}}\n')

    assert report.outcome == "needs_mapping"
    assert report.columns == {"frage": ["a", "b"], "antwort": ["{'x': 1}"]}


def test_a_mapping_answers_the_question(rows: Callable[..., list[str]]) -> None:
    lines = rows("a.csv", b"foo,bar\n1,x\n2,y\n", mapping={"prompt": "foo", "completion": "bar"})

    assert lines == ['{"prompt":"1","completion":"x"}', '{"prompt":"2","completion":"y"}']


def test_one_bad_first_row_does_not_hide_the_shape(check: Check) -> None:
    report = check("a.jsonl", b'{"txt": "a"}\n{"text": "b"}\n{"text": "c"}\n')

    assert report.problems == ["row 1: text is missing"]


def test_more_rows_than_allowed_are_refused(check: Check) -> None:
    report = check("a.jsonl", b'{"text": "a"}\n' * 11, limits=ImportLimits(rows=10))

    assert (report.outcome, report.message) == ("too_large", "The file has more than 10 rows, which is the limit.")


def test_equal_rows_have_equal_hashes_whatever_the_file(check: Check) -> None:
    line = '{"prompt": "é", "completion": "\u2028"}'
    escaped = json.dumps({"prompt": "é", "completion": "\u2028"})

    hashes = {
        check("a.jsonl", f"{line}\n{line}\n".encode()).sha256,
        check("a.json", f"[{escaped},\n{escaped}]".encode()).sha256,
        check("a.csv", "prompt,completion\né,\u2028\né,\u2028\n".encode()).sha256,
    }

    assert len(hashes) == 1
