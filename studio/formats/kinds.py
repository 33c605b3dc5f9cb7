"""Which kind a file is: by the end of its name, and by its first bytes."""

from dataclasses import dataclass

from studio.formats.problems import UnreadableKind, quoted

EXTENSIONS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
# Parquet files one after another in a ZIP archive that the studio made; no file is of this kind by its name.
PACKED_PARQUET = "parquet.zip"
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
HEAD_BYTES = 512

_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive (an .xlsx or .docx file is one too)"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x7fELF", "a Linux program"),
    (b"MZ\x90\x00", "a Windows program"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"{\\rtf", "an RTF document"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"BZh", "a bzip2 file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"\x04\x22\x4d\x18", "an LZ4 file"),
    (GZIP_MAGIC, "a gzip file (inside another one, or without .gz at the end of its name)"),
    (PARQUET_MAGIC, "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
)
_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<script", b"<svg")


@dataclass(frozen=True, slots=True)
class FileKind:
    """The format that a name promises, and whether it is packed."""

    format: str
    gzipped: bool

    @property
    def label(self) -> str:
        """Such as `jsonl` or `csv.gz`."""
        return f"{self.format}.gz" if self.gzipped else self.format

    @property
    def is_parquet(self) -> bool:
        """One Parquet file or several."""
        return self.format in ("parquet", PACKED_PARQUET)

    @classmethod
    def of_label(cls, label: str) -> "FileKind":
        """The kind that has this label."""
        return cls(format=label.removesuffix(".gz"), gzipped=label.endswith(".gz"))


def file_kind(file_name: str) -> FileKind:
    """Read the kind from the end of a name; raises UnreadableKind."""
    name = file_name.lower()
    gzipped = name.endswith(".gz")
    stem = name.removesuffix(".gz")
    for extension, kind in EXTENSIONS.items():
        if stem.endswith(extension):
            return FileKind(format=kind, gzipped=gzipped)
    known = ", ".join(EXTENSIONS)
    raise UnreadableKind(f"{quoted(file_name)} is not a kind of file that is read here; use {known}, each also as .gz.")


def refuse_foreign(head: bytes) -> None:
    """Raise UnreadableKind if the first bytes of what should be text belong to another kind of file."""
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            raise UnreadableKind(f"This is {name}, whatever its name says; upload the rows themselves.")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_MARKUP):
        raise UnreadableKind("This is an HTML or XML page, whatever its name says; upload the rows themselves.")
    if head[257:262] == b"ustar":
        raise UnreadableKind("This is a tar archive, whatever its name says; upload the rows themselves.")
