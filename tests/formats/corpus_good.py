"""Good files: rows of every shape, each written in every way that is read."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.formats.corpus import GoodFile

Row = dict[str, Any]
SYSTEM, USER = {"role": "system", "content": "s"}, {"role": "user", "content": "Q\n?"}
GOOD, BAD = {"role": "assistant", "content": "yes"}, {"role": "assistant", "content": "no"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOLD = {"role": "tool", "content": "42", "tool_call_id": "c1", "name": "f"}
KEPT = {"role": "tool", "content": "42", "name": "f", "tool_call_id": "c1"}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
STRANGE = [
    "x\u2028y\u2029z\x85w",
    "<script>alert(1)</script></textarea>",
    "=cmd|' /C calc'!A0",
    "{{7*7}} ${x} %s",
    "a\\u0000b",
    "<|im_end|></s>[INST]",
    "\u202eevil\u202c",
    "😀👩‍👩‍👧 e\u0301 Å",
    '"\\"\\\\"',
    "\ufeffmark",
    "\x7f\x80\x9f",
    "- + @ =",
    "NaN",
]
# Rows as they are sent, and as they are kept.
SHAPES: dict[str, tuple[list[Row], list[Row]]] = {
    "messages": (
        [{"messages": [SYSTEM, USER, GOOD]}, {"messages": [{"weight": 1, **GOOD}, {**USER, "name": None}, GOOD]}],
        [{"messages": [SYSTEM, USER, GOOD]}, {"messages": [GOOD, USER, GOOD]}],
    ),
    "tools": (
        [
            {"messages": [USER, CALLING, TOLD, GOOD], "tools": TOOLS},
            {"tools": json.dumps(TOOLS), "messages": [USER, GOOD]},
        ],
        [{"messages": [USER, CALLING, KEPT, GOOD], "tools": TOOLS}, {"messages": [USER, GOOD], "tools": TOOLS}],
    ),
    "weights": (
        [{"messages": [USER, {**BAD, "weight": 0}, USER, {**GOOD, "weight": 1}]}] * 2,
        [{"messages": [USER, {**BAD, "weight": 0}, USER, GOOD]}] * 2,
    ),
    "pairs": (
        [{"prompt": "p", "completion": "c"}, {"completion": "d", "prompt": "q"}],
        [{"prompt": "p", "completion": "c"}, {"prompt": "q", "completion": "d"}],
    ),
    "pairs of messages": (
        [{"prompt": [USER], "completion": [GOOD]}] * 2,
        [{"prompt": [USER], "completion": [GOOD]}] * 2,
    ),
    "system column": (
        [{"prompt": "p", "completion": "c", "system": "s"}, {"prompt": "q", "completion": "d", "system": ""}],
        [
            {"messages": [SYSTEM, {"role": "user", "content": "p"}, {"role": "assistant", "content": "c"}]},
            {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "d"}]},
        ],
    ),
    "alpaca": (
        [{"instruction": "Q", "input": "\n?", "output": "yes"}, {"instruction": "Q\n?", "input": "", "output": "yes"}],
        [{"messages": [{"role": "user", "content": "Q\n\n\n?"}, GOOD]}, {"messages": [USER, GOOD]}],
    ),
    "sharegpt": (
        [{"conversations": [{"from": "human", "value": "Q\n?"}, {"from": "gpt", "value": "yes"}] * 2, "system": "s"}]
        * 2,
        [{"messages": [SYSTEM, USER, GOOD, USER, GOOD]}] * 2,
    ),
    "text": ([{"text": text} for text in STRANGE], [{"text": text} for text in STRANGE]),
    "preference": (
        [{"prompt": "q", "chosen": "a", "rejected": "b"}] * 2,
        [{"prompt": "q", "chosen": "a", "rejected": "b"}] * 2,
    ),
    "implicit prompt": (
        [{"chosen": [USER, GOOD], "rejected": [USER, BAD]}] * 2,
        [{"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}] * 2,
    ),
    "openai preference": (
        [{"input": {"messages": [USER], "tools": TOOLS}, "preferred_output": [GOOD], "non_preferred_output": [BAD]}]
        * 2,
        [{"prompt": [USER], "chosen": [GOOD], "rejected": [BAD], "tools": TOOLS}] * 2,
    ),
    "fields": (
        [
            {"id": 9007199254740993, "text": "a", "score": 1e-7, "ok": True, "tag": "é"},
            {"text": "b", "score": 1e16, "id": -3},
        ],
        [
            {"text": "a", "fields": {"id": 9007199254740993, "score": 1e-7, "ok": True, "tag": "é"}},
            {"text": "b", "fields": {"score": 1e16, "id": -3}},
        ],
    ),
}
WRITTEN: dict[str, tuple[str, Callable[[list[Row]], bytes]]] = {
    "lines": ("a.jsonl", lambda rows: lines(rows)),
    "ascii": ("a.jsonl", lambda rows: lines(rows, ensure_ascii=True)),
    "compact": ("a.ndjson", lambda rows: lines(rows, separators=(",", ":"))),
    "CRLF": ("A.JSONL", lambda rows: lines(rows).replace(b"\n", b"\r\n")),
    "no last end": ("a.b.jsonl", lambda rows: lines(rows).rstrip(b"\n")),
    "blank lines": ("a.jsonl", lambda rows: b"\n \t\n" + lines(rows).replace(b"\n", b"\n\r\n\n")),
    "mark": ("données.jsonl", lambda rows: b"\xef\xbb\xbf" + lines(rows)),
    "spaces around": ("a.jsonl", lambda rows: b"".join(b" \t" + line + b" \r\n" for line in lines(rows).splitlines())),
    "lines in json": ("a.json", lambda rows: lines(rows)),
    "array": ("a.json", lambda rows: array(rows)),
    "indented array": ("a.json", lambda rows: b"\xef\xbb\xbf \r\n" + array(rows, indent=2) + b"\n\n"),
    "array in jsonl": ("a.jsonl", lambda rows: array(rows, separators=(",", ":"))),
    "packed": ("a.jsonl.gz", lambda rows: gzip.compress(lines(rows), mtime=0)),
    "two members": ("a.jsonl.gz", lambda rows: b"".join(gzip.compress(lines([row]), mtime=0) for row in rows)),
    "packed array": ("a.json.gz", lambda rows: gzip.compress(array(rows), mtime=0)),
}


def lines(rows: list[Row], **options: Any) -> bytes:
    """JSON Lines."""
    return b"".join(json.dumps(row, **{"ensure_ascii": False, **options}).encode() + b"\n" for row in rows)


def array(rows: list[Row], **options: Any) -> bytes:
    """One array."""
    return json.dumps(rows, **{"ensure_ascii": False, **options}).encode()


def wrapped_rows() -> Iterator[GoodFile]:
    """Every shape, in every way of writing JSON."""
    for shape, (sent, kept) in SHAPES.items():
        for way, (name, write) in WRITTEN.items():
            if shape == "text" and way == "spaces around":
                continue  # splitlines would cut at the strange ends of lines in these texts
            yield GoodFile(f"{shape}, {way}", name, write(sent), lines(kept, separators=(",", ":")))


def tables() -> Iterator[GoodFile]:
    """CSV and TSV, and columns that are guessed by their names."""
    cells = [("p", "c"), ('say "x"', "a,b;c\td"), ("two\nlines", "=1+1"), ("é\u2028", " padded ")]
    kept = lines([{"prompt": prompt, "completion": answer} for prompt, answer in cells], separators=(",", ":"))
    for header in (("prompt", "completion"), ("Prompt", "COMPLETION"), (" question ", "answer"), ("input", "output")):
        for ending, delimiter in ((".csv", ","), (".csv", ";"), (".tsv", "\t")):
            for end in ("\n", "\r\n"):
                content = table([header, *cells], delimiter, end)
                label = f"{header[0].strip()} {delimiter!r} {end!r}"
                yield GoodFile(label, f"a{ending}", content, kept)
                yield GoodFile(f"{label} packed", f"a{ending}.gz", gzip.compress(content, mtime=0), kept)


def table(rows: list[tuple[str, str]], delimiter: str, end: str) -> bytes:
    """Delimited text."""
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter, lineterminator=end).writerows(rows)
    return stream.getvalue().encode()
