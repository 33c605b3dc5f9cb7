"""The quick reading of JSON Lines and the strict one give the same answer and the same bytes, whatever the file."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.formats import check
from studio.formats.kinds import FileKind
from studio.formats.limits import ImportLimits
from studio.formats.quick import QuickReader
from studio.formats.report import Report, Request

LIMITS = ImportLimits(string_characters=300, row_bytes=600, depth_levels=8, keys_per_object=12, rows=40)
MARKS = ['"', "\\", "\n", "\r", "\0", "\u2028", "é", "{", "[", "0022", "\\u0022", "\\u0000", "\x7f", "😀", " ", "u"]
TEXTS = st.lists(st.sampled_from(MARKS) | st.characters(codec="utf-8"), max_size=8).map("".join) | st.sampled_from(
    ["a", "hello", "x" * 250]
)
NUMBERS = st.integers(-(2**65), 2**65) | st.floats() | st.sampled_from([2**63, 2**63 - 1, -(2**63), 1e16, 1e-7, -0.0])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ROLES = st.sampled_from(["system", "user", "assistant", "assistant", "tool", "bot", None])
MESSAGE = st.fixed_dictionaries(
    {"role": ROLES, "content": TEXTS},
    optional={"name": TEXTS, "weight": st.sampled_from([0, 1, 1.0, 2]), "tool_calls": VALUES, "mood": VALUES},
)
ANSWER = st.fixed_dictionaries({"role": st.just("assistant"), "content": TEXTS})
MESSAGES = st.tuples(st.lists(MESSAGE | VALUES, max_size=3), ANSWER).map(lambda parts: [*parts[0], parts[1]])
TURN = st.fixed_dictionaries({"from": st.sampled_from(["human", "gpt", "system", "x"]), "value": TEXTS})
ROWS = st.one_of(
    st.fixed_dictionaries({"messages": MESSAGES}, optional={"tools": VALUES, "id": VALUES}),
    st.fixed_dictionaries({"prompt": TEXTS, "completion": TEXTS}, optional={"id": VALUES, "system": TEXTS}),
    st.fixed_dictionaries({"completion": TEXTS, "prompt": TEXTS}),
    st.fixed_dictionaries({"text": TEXTS | VALUES}, optional={"score": NUMBERS}),
    st.fixed_dictionaries({"instruction": TEXTS, "output": TEXTS}, optional={"input": TEXTS, "system": TEXTS}),
    st.fixed_dictionaries({"conversations": st.lists(TURN, max_size=4)}, optional={"tools": VALUES}),
    st.dictionaries(st.sampled_from(["text", "prompt", "completion", "messages", "id"]), VALUES, max_size=4),
)
LINES = st.tuples(ROWS, st.booleans(), st.sampled_from([None, (",", ":")])).map(
    lambda parts: json.dumps(parts[0], ensure_ascii=parts[1], separators=parts[2])
)
ODD = st.sampled_from(
    [
        "", " ", "\t", "\u3000", "{}", "[]", "null", '"text"', '{"text": "a"', '{"text": "a"} x', '\ufeff{"text": "a"}',
        '{"text": "a", "text": "b"}', '{"text": "\\u0022", "id": 1, "id": 2}',
        '{"text": "\\u0022\\u0022", "text": "b"}',
        '{"text": "\\ud800"}', '{"text": "\\ud83d\\ude00"}', '{"text": "\\u0000"}', '{"text": "a\tb"}',
        '{"text": 1e999}',
        '{"text": "a", "id": 1e999}', '{"text": "a", "id": NaN}', '{"text": "a", "id": 99999999999999999999}',
        '{"text": "a", "id": 9223372036854775808}', '{"text": "a", "id": -9223372036854775809}', '{"text": "a\\/b"}',
        '{"text": "a", "id": -0}', '{"text": "a", "id": 1.0e16}', '{"text": "a", "id": 01}', '{"text":"a","id":1.}',
        '{"text": "a", "id": ' + "[" * 9 + "]" * 9 + "}", '{"text": "a\\u00e9\\u0022"}', '{"text": "a"}\r',
        '{"text": "a", "meta": {' + ",".join(f'"{n}": 1' for n in range(13)) + "}}", '{"te\\u0078t": "a"}',
        '{"messages": [{"role": "assistant", "content": "a", "content": "b"}]}', '{"text": "a", "": 1}',
        '{"messages": "[{\\"role\\": \\"assistant\\", \\"content\\": \\"\\\\ud800\\"}]"}',
        '{"messages": "[{\\"role\\": \\"assistant\\", \\"content\\": \\"a\\", \\"tool_calls\\": [{\\"a\\": 1e5}]}]"}',
        '{"messages": {"role": "assistant"}}', '{"messages": []}', '{"messages": "assistant"}', '{"messages": [[]]}',
    ]
)  # fmt: skip


Answer = tuple[Report, bytes, bytes]


def both(content: bytes, mapping: dict[str, str] | None = None) -> list[Answer]:
    """The answer, rows and offsets of the strict reading and of the quick one."""
    answers: list[Answer] = []
    for strict in (True, False):
        with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
            if strict:
                patch.setattr(check, "open_lines", lambda request, tell: None)
            folder = Path(name)
            (folder / "upload").write_bytes(content)
            report = check.check_file(Request(folder / "upload", folder, FileKind("jsonl", False), mapping, LIMITS))
            rows, offsets = folder / "rows.jsonl", folder / "rows.offsets"
            written = report.outcome == "accepted"
            answers.append((report, rows.read_bytes(), offsets.read_bytes()) if written else (report, b"", b""))
    return answers


@given(lines=st.lists(LINES | ODD, max_size=8), end=st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=300, deadline=None)
def test_any_lines_are_read_alike(lines: list[str], end: str) -> None:
    strict, quick = both(end.join(lines).encode("utf-8", "surrogatepass"))

    assert quick == strict


@given(first=ROWS, rows=st.lists(ROWS, min_size=1, max_size=45), ascii_only=st.booleans())
@settings(max_examples=150, deadline=None)
def test_rows_that_can_be_read_are_written_alike(first: Any, rows: list[Any], ascii_only: bool) -> None:
    alike = [row for row in rows if row.keys() == first.keys()] or [first]
    strict, quick = both("\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in [first, *alike]).encode())

    assert quick == strict


@given(content=st.lists(st.sampled_from([b'{"text": "a"}', b"\n", b"\r", b"\r\n", b"\xff", b"\0", b" "]), max_size=12))
def test_faults_of_the_whole_file_are_told_alike(content: list[bytes]) -> None:
    strict, quick = both(b"".join(content))

    assert quick == strict


@pytest.mark.parametrize("many", [3, 3000])
def test_faults_anywhere_in_a_long_file_are_told_alike(many: int) -> None:
    good = b'{"text": "abcdefgh"}\n'
    for fault in (b'{"text": ""}\n', b'{"text": "\xff"}\n', b"\n\n", b'{"text": "a", "text": "b"}\n', b'{"a":1}\n'):
        strict, quick = both((good * min(many, 15) + fault) * 2 + good * many)

        assert quick == strict


def test_a_mapping_is_followed_alike() -> None:
    content = b"".join(b'{"q": "a\\u00e9%d", "r": "b", "x": %d}\n' % (n, n) for n in range(30))
    strict, quick = both(content, {"prompt": "q", "completion": "r"})

    assert quick == strict
    assert quick[0].outcome == "accepted"


@pytest.mark.parametrize(
    ("shape", "row"),
    [
        ("messages", {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "é\n"}]}),
        ("prompt_completion", {"prompt": "p", "completion": "c"}),
        ("text", {"text": "t"}),
    ],
)
def test_ordinary_rows_are_read_many_at_a_time(shape: str, row: dict[str, Any]) -> None:
    from studio.formats.columns import plan_for
    from studio.formats.strict_json import json_reader

    plan = plan_for(row, json_reader(LIMITS))
    assert plan is not None
    taken = QuickReader(plan, shape, LIMITS, unused=lambda name: None).read_all([json.dumps(row).encode()] * 3)

    assert taken is not None
    assert taken.lines == [json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()] * 3
