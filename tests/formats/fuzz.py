"""Fuzzing of the readers, guided by coverage: `pip install atheris`, then `python -m tests.formats.fuzz SECONDS`.

The seeds are the small files of the corpus. Anything but a report ends it with the input that did it. Parquet is left
out: it is read by Arrow, and a child that dies of it is told in a sentence.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["studio.formats"]):
    from studio.formats.check import check_file
    from studio.formats.kinds import FileKind
    from studio.formats.limits import ImportLimits
    from studio.formats.report import Request
from tests.formats.corpus import bad_files, good_files

KINDS = [FileKind(name, packed) for name in ("jsonl", "json", "csv", "tsv") for packed in (False, True)]
LIMITS = ImportLimits(string_characters=300, row_bytes=600, depth_levels=8, keys_per_object=12, rows=40)
SEED_BYTES = 1000


def main() -> None:
    """Fuzz for as many seconds as the argument says."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds = folder / "seeds"
        seeds.mkdir()
        for number, file in enumerate([*good_files(), *bad_files()]):
            if len(file.content) <= SEED_BYTES:
                (seeds / str(number)).write_bytes(bytes([number % 256]) + file.content)

        def read(data: bytes) -> None:
            if not data:
                return
            (folder / "upload").write_bytes(data[1:])
            kind, leave_out = KINDS[data[0] % len(KINDS)], data[0] >= 128
            report = check_file(Request(folder / "upload", folder, kind, None, LIMITS, leave_out=leave_out))
            assert report.outcome != "invalid" or report.problems

        atheris.Setup(
            [sys.argv[0], f"-max_total_time={sys.argv[1]}", "-max_len=2000", "-rss_limit_mb=2048", name + "/seeds"],
            read,
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
