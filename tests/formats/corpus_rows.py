"""Bad rows in good files: JSON that is not strict, values that cannot be kept, shapes that cannot be learned from."""

import json
from collections.abc import Iterator
from typing import Any

from tests.formats.corpus import BadFile
from tests.formats.corpus_good import BAD, GOOD, SHAPES, USER

Row = dict[str, Any]
_TEXT = b'{"text": "a"}'
# What stands where a value should, and what is told.
_VALUES = {
    "NaN": "NaN is not a JSON value",
    "Infinity": "Infinity is not a JSON value",
    "-Infinity": "-Infinity is not a JSON value",
    "1e999": "the number '1e999' is too large",
    "-1e999": "the number '-1e999' is too large",
    "9223372036854775808": "does not fit into 64 bits",
    "-9223372036854775809": "does not fit into 64 bits",
    "18446744073709551616": "does not fit into 64 bits",
    "9" * 5000: "does not fit into 64 bits",
    "[" * 66 + "]" * 66: "nested deeper than 64 levels",
    '{"a":' * 66 + "1" + "}" * 66: "nested deeper than 64 levels",
    "[" * 100_000: "nested deeper than 64 levels",
    '{"b": 1, "b": 1}': "the key 'b' appears twice",
    '{"b": 1, "\\u0062": 2}': "the key 'b' appears twice",
    "{" + ", ".join(f'"k{n}": 1' for n in range(257)) + "}": "an object has 257 keys; 256 are allowed",
    "01": "not valid JSON",
    "1.": "not valid JSON",
    ".5": "not valid JSON",
    "+1": "not valid JSON",
    "0x1": "not valid JSON",
    "'a'": "not valid JSON",
    "True": "not valid JSON",
    "undefined": "not valid JSON",
    '"a': "not valid JSON",
    '"a\tb"': "not valid JSON",
    '"\\x41"': "not valid JSON",
    '"\\u12"': "not valid JSON",
    "[1,]": "not valid JSON",
    '{"b": 1,}': "not valid JSON",
    "": "not valid JSON",
}
_LINES = {
    b"nonsense": "not valid JSON at character 1",
    b'{"text": "a"': "not valid JSON",
    b'{"text": "a"}}': "not valid JSON",
    b'{"text": "a"} {"text": "b"}': "not valid JSON",
    b'{"text": "a",}': "not valid JSON",
    b'{text: "a"}': "not valid JSON",
    b'// comment\n{"text": "a"}': "not valid JSON",
    b'\xef\xbb\xbf{"text": "a"}': "not valid JSON",
    b'{"text": "a", "text": "b"}': "the key 'text' appears twice",
    b'{"text": "a", "t\\u0065xt": "b"}': "the key 'text' appears twice",
    b'["a"]': "a row is a JSON object, yet this is a list",
    b'"text"': "a row is a JSON object, yet this is a string",
    b"null": "a row is a JSON object, yet this is null",
    b"3": "a row is a JSON object, yet this is a number",
    b"{}": "text is missing",
}
_TEXTS = {
    "\\ud800": "holds half of a surrogate pair",
    "\\udfff": "holds half of a surrogate pair",
    "\\udc00\\ud800": "holds half of a surrogate pair",
    "a\\ud83d": "holds half of a surrogate pair",
    "\\u0000": "holds a NUL character",
    "a\\u0000b": "holds a NUL character",
}
_BAD_ROWS: dict[str, list[tuple[Row, str]]] = {
    "messages": [
        ({"messages": []}, "messages is empty"),
        ({"messages": None}, "messages is null"),
        ({"messages": "hello"}, "messages is a string"),
        ({"messages": {"role": "user"}}, "messages is an object"),
        ({"messages": ["hello"]}, "messages[0] is a string"),
        ({"messages": [USER]}, "has no assistant message"),
        ({"messages": [USER, {**GOOD, "content": " \n"}]}, "has no assistant message"),
        ({"messages": [USER, {**GOOD, "role": "asistant"}]}, "messages[1].role is 'asistant'"),
        ({"messages": [{"content": "a"}, GOOD]}, "messages[0].role is missing"),
        ({"messages": [{**USER, "role": 3}, GOOD]}, "messages[0].role is a number"),
        ({"messages": [{"role": "user"}, GOOD]}, "messages[0].content is missing"),
        ({"messages": [{**USER, "content": None}, GOOD]}, "messages[0].content is null"),
        ({"messages": [{**USER, "content": ["a"]}, GOOD]}, "messages[0].content is a list"),
        ({"messages": [{**USER, "name": 3}, GOOD]}, "messages[0].name must be a string"),
        ({"messages": [USER, {**GOOD, "tool_calls": []}]}, "messages[1].tool_calls must be a list of objects"),
        ({"messages": [USER, {**GOOD, "tool_calls": [{"function": 3}]}]}, "tool_calls[0].function is a number"),
        ({"messages": [USER, {**GOOD, "weight": 0.5}]}, "messages[1].weight is 0.5"),
        ({"messages": [USER, {**GOOD, "weight": 0}]}, "has weight 0 on every answer"),
        ({"messages": [USER, GOOD], "tools": "f"}, "tools is a string"),
        ({"messages": [USER, GOOD], "tools": [3]}, "tools is a list; it must be a list of objects"),
    ],
    "pairs": [
        ({"prompt": "", "completion": "c"}, "prompt is empty"),
        ({"prompt": "p", "completion": "\u3000 "}, "completion is empty"),
        ({"prompt": "p", "completion": None}, "completion is missing"),
        ({"prompt": "p"}, "completion is missing"),
        ({"prompt": 3, "completion": "c"}, "prompt is a number"),
        ({"prompt": "p", "completion": True}, "completion is true or false"),
        ({"prompt": "p", "completion": [GOOD]}, "must both be strings or both be lists"),
        ({"prompt": [USER], "completion": [GOOD]}, "this row is prompt_completion of messages"),
        ({"prompt": "p", "completion": "c", "system": 3}, "system is a number"),
    ],
    "alpaca": [
        ({"instruction": "", "output": "a"}, "instruction is empty"),
        ({"instruction": "q", "output": " "}, "output is empty"),
        ({"instruction": "q", "output": "a", "input": 3}, "input is a number"),
        ({"instruction": "q", "output": "a", "system": []}, "system is a list"),
        ({"instruction": "q", "output": "a", "history": 3}, "history is a number"),
        ({"instruction": "q", "output": "a", "history": [["x"]]}, "history[0] must be a list of two strings"),
    ],
    "sharegpt": [
        ({"conversations": {}}, "conversations is an object"),
        ({"conversations": []}, "conversations is empty"),
        ({"conversations": [{"from": "narrator", "value": "a"}]}, "conversations[0].from is 'narrator'"),
        ({"conversations": [{"from": "gpt", "value": 3}]}, "conversations[0].value is a number"),
        ({"conversations": [{"value": "a"}]}, "conversations[0].role is missing"),
        ({"conversations": [{"from": "human", "value": "a"}]}, "has no assistant message"),
    ],
    "text": [
        ({"text": ""}, "text is empty"),
        ({"text": None}, "text is missing"),
        ({"text": ["a"]}, "text is a list"),
        ({"txt": "a"}, "text is missing"),
        ({"text": "x" * 2_097_153}, "text has more than 2,097,152 characters"),
    ],
    "preference": [
        ({"prompt": "q", "chosen": "", "rejected": "b"}, "chosen is empty"),
        ({"prompt": "q", "chosen": "a", "rejected": None}, "rejected is missing"),
        ({"prompt": "q", "chosen": [GOOD], "rejected": "b"}, "chosen and rejected must both be"),
        ({"chosen": "a", "rejected": "b"}, "prompt is missing"),
        ({"prompt": [USER], "chosen": [USER], "rejected": [BAD]}, "chosen has no assistant message"),
    ],
    "openai preference": [
        ({"input": [], "preferred_output": [GOOD], "non_preferred_output": [BAD]}, "input is a list"),
        ({"input": {"messages": [USER]}, "preferred_output": [GOOD], "non_preferred_output": []}, "output is empty"),
        ({"input": {"messages": "q"}, "preferred_output": [GOOD], "non_preferred_output": [BAD]}, "input.messages is"),
    ],
}


def broken_json() -> Iterator[BadFile]:
    """Lines that are no JSON, or JSON that Python reads in silence."""
    for line, says in _LINES.items():
        yield _third(f"line {line[:20]!r}", line, says)
    for value, says in _VALUES.items():
        for key in ("text", "id"):
            row = f'{{"text": {value}}}' if key == "text" else f'{{"text": "a", "id": {value}}}'
            yield _third(f"{key} {value[:20]} of {len(value)}", row.encode(), says)
    for text, says in _TEXTS.items():
        yield _third(f"text {text}", f'{{"text": "{text}"}}'.encode(), says)
        yield _third(f"key {text}", f'{{"text": "a", "m": {{"{text}": 1}}, "id": "{text}"}}'.encode(), says)
        content = json.dumps({"messages": [USER, {**GOOD, "content": "@"}]}).replace("@", text)
        yield BadFile(
            f"message {text}", "a.jsonl", f"{content}\n{content}\n".encode(), (f"row 1: messages[1].content {says}",)
        )


def broken_rows() -> Iterator[BadFile]:
    """Rows of a shape that cannot be used, behind good ones, in lines and in an array."""
    for shape, faults in _BAD_ROWS.items():
        good = SHAPES[shape][0][:1] * 2
        for number, (row, says) in enumerate(faults):
            rows = [*good, row]
            lines = "\n".join(json.dumps(one) for one in rows).encode()
            yield BadFile(f"{shape} {number}, lines", "a.jsonl", lines, ("row 3: ", says))
            yield BadFile(f"{shape} {number}, array", "a.json", json.dumps(rows).encode(), ("row 3: ", says))


def mixed_shapes() -> Iterator[BadFile]:
    """Every pair of shapes in one file."""
    shapes = ("messages", "pairs", "alpaca", "sharegpt", "text", "preference", "openai preference")
    for one in shapes:
        for other in shapes:
            if one != other:
                rows = [*SHAPES[one][0][:1] * 2, SHAPES[other][0][0]]
                content = "\n".join(json.dumps(row) for row in rows).encode()
                yield BadFile(f"{one} and {other}", "a.jsonl", content, ("row 3: this row has the shape",))


def _third(label: str, line: bytes, says: str) -> BadFile:
    return BadFile(label, "a.jsonl", _TEXT + b"\n" + _TEXT + b"\n" + line + b"\n", ("row 3: ", says))
