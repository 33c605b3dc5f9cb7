"""What a file is, by name and by its first bytes."""

import pytest

from studio.formats.kinds import FileKind, file_kind, refuse_foreign
from studio.formats.problems import UnreadableKind


@pytest.mark.parametrize(
    ("name", "kind", "label"),
    [
        ("a.jsonl", FileKind("jsonl", False), "jsonl"),
        ("a.ndjson.gz", FileKind("jsonl", True), "jsonl.gz"),
        ("A.B.JSON", FileKind("json", False), "json"),
        ("a.csv.GZ", FileKind("csv", True), "csv.gz"),
        ("a.tsv", FileKind("tsv", False), "tsv"),
        (".parquet", FileKind("parquet", False), "parquet"),
    ],
)
def test_the_end_of_the_name_promises_a_kind(name: str, kind: FileKind, label: str) -> None:
    assert file_kind(name) == kind
    assert kind.label == label


@pytest.mark.parametrize("name", ["a.txt", "a", "", "jsonl", "a.gz", "a.jsonl.zip", "a.jsonl.exe", "a.xlsx"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UnreadableKind, match=r"use \.jsonl, \.ndjson, \.json, \.csv, \.tsv, \.parquet"):
        file_kind(name)


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (b"PK\x03\x04", "ZIP"),
        (b"\x7fELF\x02", "Linux program"),
        (b"%PDF-1.7", "PDF"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"BZh91AY", "bzip2"),
        (b"\x28\xb5\x2f\xfd", "Zstandard"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PAR1", "Parquet"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"\xef\xbb\xbf\n <html>", "HTML"),
        (b"<?xml version", "XML"),
        (b"a" * 257 + b"ustar", "tar"),
    ],
)
def test_other_kinds_are_known_by_their_first_bytes(head: bytes, named: str) -> None:
    with pytest.raises(UnreadableKind, match=named):
        refuse_foreign(head)


def test_plain_text_passes() -> None:
    refuse_foreign(b'{"text": "<html> PK %PDF"}')
