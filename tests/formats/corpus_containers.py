"""Bad containers: wrong encodings, packing, tables, and files of another kind."""

import gzip
import json
from collections.abc import Iterator

from studio.formats.kinds import EXTENSIONS
from tests.formats.corpus import BadFile

TWO_ROWS = b'{"text": "a"}\n{"text": "b"}\n'
PAIRS = b"prompt,completion\na,b\nc,d\n"
_MAGICS = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x7fELF",
    b"MZ\x90\x00",
    b"%PDF-1.7",
    b"%!PS-Adobe",
    b"{\\rtf1",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\xfd7zXZ\x00",
    b"BZh91AY",
    b"\x28\xb5\x2f\xfd",
    b"\x04\x22\x4d\x18",
    b"PAR1",
    b"ARROW1",
    b"ORC",
    b"Obj\x01",
    b"SQLite format 3\x00",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF89a",
    b"\xd0\xcf\x11\xe0",
    b"<!DOCTYPE html>",
    b"<html>",
    b"<?xml version='1.0'?>",
    b" \n<script>",
    b"<svg xmlns=''>",
    b"x" * 257 + b"ustar",
)
_NAMES = (
    "a.txt",
    "a",
    "a.jsonl.exe",
    "../../etc/passwd",
    "/etc/passwd",
    "a.zip",
    "a.xlsx",
    "a.gz",
    "a.jsonl.bz2",
    "a.jso\u202enl",
    "CON",
    "<img src=x onerror=alert(1)>",
    "a.jsonl\u0000",
    "x" * 5000,
    ".jsonl.",
)
_ENCODINGS = (
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-32-le",
    "latin-1",
    "cp1252",
    "gbk",
    "shift_jis",
)


def broken_containers() -> Iterator[BadFile]:
    """What is wrong before a row is looked at."""
    yield from _foreign()
    yield from _encoded()
    yield from _packed()
    yield from _empty()
    for at, content in ((28, TWO_ROWS + b"\0"), (10, TWO_ROWS.replace(b"a", b"\0")), (0, b"\0" + TWO_ROWS)):
        for name in ("a.jsonl", "a.json", "a.csv"):
            yield BadFile(f"NUL at {at} {name}", name, content, (f"There is a NUL at byte {at}",))
    for name, content, at in (
        ("a.jsonl", TWO_ROWS.replace(b"\n", b"\r"), 13),
        ("a.json", b"[" + TWO_ROWS.replace(b"\n", b"\r,", 1) + b"]", 14),
        ("a.csv", PAIRS.replace(b"\n", b"\r"), 17),
        ("a.tsv", b"prompt\tcompletion\r1\t2\n", 17),
        ("a.jsonl", TWO_ROWS + b'{"text": "a\rb"}\n', 39),
    ):
        yield BadFile(
            f"carriage return at {at} {name}", name, content, (f"There is a lone carriage return at byte {at}",)
        )
    for name, open_value, close in (("a.jsonl", b'{"text": "', b'"}'), ("a.json", b'[{"text": "', b'"}]')):
        row = open_value + b"x" * 4_300_000 + close
        yield BadFile(f"long line {name}", name, row, ("begins at byte", "is longer than 4,194,304 bytes"))
        yield BadFile(
            f"endless line {name}", name, row[: -len(close)], ("begins at byte", "is longer than 4,194,304 bytes")
        )
    rows = b"[" + TWO_ROWS.replace(b"\n", b",", 1)
    for label, content, says in (
        ("open", rows, "The file ends in the middle of row"),
        ("cut", rows[:-6], "The file ends in the middle of row 2"),
        ("tail", rows + b"] x", "There is something after the end of the array"),
        ("two", b"[]" + rows + b"]", "There is something after the end of the array"),
        ("comma", rows + b",]", "row 3: not valid JSON"),
        ("commas", rows.replace(b",", b",,") + b"]", "row 2: not valid JSON"),
        ("deep", b"[" * 100_000, "Row 1 is nested deeper than 64 levels"),
        ("numbers", b"[1, 2, 3]", "row 1: a row is a JSON object, yet this is a number"),
    ):
        yield BadFile(f"array {label}", "a.json", content, (says,))


def _foreign() -> Iterator[BadFile]:
    for magic in _MAGICS:
        for name in ("a.jsonl", "a.csv"):
            yield BadFile(f"{magic[:12]!r} {name}", name, magic + b" rest\n" * 20, ("whatever its name says",), 415)
    for name in _NAMES:
        yield BadFile(f"name {name[:30]!r}", name, TWO_ROWS, ("is not a kind of file that is read here",), 415)
    for ending, kind in EXTENSIONS.items():
        if kind != "parquet":
            yield BadFile(f"not packed {ending}", f"a{ending}.gz", TWO_ROWS, ("this is not a gzip file",), 415)
            yield BadFile(f"packed {ending}", f"a{ending}", gzip.compress(TWO_ROWS, mtime=0), ("a gzip file",), 415)


def _encoded() -> Iterator[BadFile]:
    texts = {"gbk": "中文", "shift_jis": "日本"}
    for encoding in _ENCODINGS:
        text = texts.get(encoding, "é")
        for name, content in (
            ("a.jsonl", f'{{"text": "{text}"}}\n' * 2),
            ("a.csv", f"prompt,completion\n{text},b\n" * 2),
        ):
            says = "NUL at byte" if encoding in ("utf-16-le", "utf-16-be", "utf-32-le") else "not UTF-8 at byte"
            yield BadFile(f"{encoding} {name}", name, content.encode(encoding), (says,))
    for label, raw in (
        ("cut", b"\xe2\x80"),
        ("overlong", b"\xc0\xaf"),
        ("surrogate", b"\xed\xa0\x80"),
        ("high", b"\xf5\x80\x80\x80"),
    ):
        content = TWO_ROWS + b'{"text": "' + raw + b'"}'
        yield BadFile(f"UTF-8 {label}", "a.jsonl", content, ("The file is not UTF-8 at byte 38",))
        yield BadFile(f"UTF-8 {label} at the end", "a.jsonl", TWO_ROWS + raw, ("The file is not UTF-8 at byte 28",))


def _packed() -> Iterator[BadFile]:
    packed = gzip.compress(TWO_ROWS * 20, mtime=0)
    for keep in (3, 10, 12, 20, len(packed) - 8, len(packed) - 1):
        yield BadFile(f"gzip cut at {keep}", "a.jsonl.gz", packed[:keep], ("The gzip data ends early",))
    for tail in (b"junk", b"\0", b"{}\n", b"\x1f"):
        says = (
            "The gzip data ends early" if tail == b"\x1f" else "There is something else after the end of the gzip data"
        )
        yield BadFile(f"gzip and {tail!r}", "a.jsonl.gz", packed + tail, (says,))
    for at in (2, 12, 30, len(packed) - 6):
        damaged = packed[:at] + bytes([packed[at] ^ 0xFF]) + packed[at + 1 :]
        yield BadFile(f"gzip damaged at {at}", "a.jsonl.gz", damaged, ("gzip data",))
    for label, content in (("blank", b"\n"), ("rows", TWO_ROWS), ("spaces", b" ")):
        bomb = gzip.compress(content * (20_000_000 // len(content)), mtime=0)
        yield BadFile(f"bomb of {label}", "a.jsonl.gz", bomb, ("The file expands beyond",), 413)
        yield BadFile(f"bomb of {label} in json", "a.json.gz", bomb, ("The file expands beyond",), 413)
    yield BadFile("gzip in gzip", "a.jsonl.gz", gzip.compress(packed, mtime=0), ("a gzip file",), 415)
    yield BadFile("empty gzip", "a.jsonl.gz", gzip.compress(b"", mtime=0), ("The file is empty",))


def _empty() -> Iterator[BadFile]:
    for name in ("a.jsonl", "a.json", "a.csv", "a.tsv", "a.ndjson"):
        yield BadFile(f"nothing {name}", name, b"", ("The file is empty: it has no rows.",))
        yield BadFile(f"mark alone {name}", name, b"\xef\xbb\xbf", ("The file is empty: it has no rows.",))
    yield BadFile("blank lines", "a.jsonl", b"\n \n\t\r\n", ("The file is empty",))
    yield BadFile("empty array", "a.json", b" [ ] ", ("The file is empty",))
    one = json.dumps({"text": "a"}).encode()
    for name, content in (
        ("a.jsonl", one),
        ("a.json", b"[" + one + b"]"),
        ("a.csv", PAIRS[:-4]),
        ("a.csv", b"text\na\n"),
    ):
        yield BadFile(
            f"one row {name} {len(content)}", name, content, ("The file has 1 row; a dataset needs 2 at least",)
        )


def broken_tables() -> Iterator[BadFile]:
    """CSV, TSV and Parquet."""
    tab = PAIRS.replace(b",", b"\t")
    for name, good, mark in (("a.csv", PAIRS, b","), ("a.csv", PAIRS.replace(b",", b";"), b";"), ("a.tsv", tab, b"\t")):
        label = f"{name} {mark!r}"
        yield BadFile(f"header alone {label}", name, good[:18], ("The file has a header, but no rows.",))
        yield BadFile(f"few cells {label}", name, good + b"e\n", ("row 3 (line 4): has 1 cells", "names 2 columns"))
        yield BadFile(
            f"many cells {label}",
            name,
            good + mark.join((b"e", b"f", b"g\n")),
            ("row 3 (line 4): has 3 cells",),
        )
        yield BadFile(
            f"open quote {label}", name, good + b'"e' + mark + b"f\n" * 3, ("begins at line 4 opens a quote",)
        )
        yield BadFile(
            f"quote inside {label}", name, good + b'"e"x' + mark + b"f\n", ("begins at line 4 has text after",)
        )
        yield BadFile(f"empty prompt {label}", name, good + mark + b"f\n", ("row 3 (line 4): prompt is empty",))
        yield BadFile(
            f"empty answer {label}", name, good + b"e" + mark + b"\n", ("row 3 (line 4): completion is empty",)
        )
        yield BadFile(
            f"same column {label}", name, b"prompt" + mark + b"prompt\na" + mark + b"b\n", ("'prompt' twice",)
        )
        yield BadFile(f"no name {label}", name, b"prompt" + mark + b"\na" + mark + b"b\n", ("Column 2 has no name",))
        yield BadFile(f"unknown {label}", name, good.replace(b"prompt", b"foo"), ("Say which column holds what",))
        wide = mark.join(b"c%d" % number for number in range(257)) + b"\n"
        yield BadFile(f"wide {label}", name, wide * 3, ("The header names 257 columns; 256 are allowed.",))
        cell = good + b"e" + mark + b"x" * 2_100_000 + b"\n"
        yield BadFile(
            f"long cell {label}", name, cell, ("begins at line 4 has a cell of more than 2,097,152 characters",)
        )
    yield BadFile("half a shape", "a.csv", b"text,label\na,b\nc,d\n", ("Say which column holds what",))
    yield BadFile("two prompts", "a.csv", b"question,query,answer\na,b,c\nd,e,f\n", ("Say which column holds what",))
    for name in ("a.parquet", "a.parquet.gz"):
        for label, content, says, status in _PARQUET:
            packed = gzip.compress(content, mtime=0) if name.endswith(".gz") else content
            yield BadFile(f"{label} {name}", name, packed, (says,), status)


_PARQUET = (
    ("another kind", TWO_ROWS, "this is not a Parquet file", 415),
    ("nothing", b"", "this is not a Parquet file", 415),
    ("magic alone", b"PAR1", "incomplete or damaged", 422),
    ("no footer", b"PAR1" + b"\0" * 100, "incomplete or damaged", 422),
    ("footer of nothing", b"PAR1" + b"\0" * 4 + b"PAR1", "damaged", 422),
    ("footer too long", b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1", "incomplete or damaged", 422),
    ("footer of noise", b"PAR1" + bytes(range(1, 65)) + b"\x40\0\0\0" + b"PAR1", "damaged", 422),
    ("footer of zeros", b"PAR1" + bytes(64) + b"\x40\0\0\0" + b"PAR1", "damaged", 422),
    ("encrypted", b"PAR1" + bytes(64) + b"\x40\0\0\0" + b"PARE", "incomplete or damaged", 422),
)
