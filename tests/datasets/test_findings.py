"""Findings are read by seeks: a page costs the same however many there are."""

import json
from pathlib import Path

import pytest

from studio import datasets
from studio.datasets import DatasetVersion

FINDINGS = 100_000


@pytest.fixture
def version(tmp_path: Path) -> DatasetVersion:
    """A version in whose cache one check has found many rows."""
    version = DatasetVersion(sha256="0" * 64, split={})
    folder = datasets.findings_folder(tmp_path, version)
    folder.mkdir(parents=True)
    with (folder / "secrets.jsonl").open("wb") as lines, (folder / "secrets.offsets").open("wb") as offsets:
        for row in range(1, FINDINGS + 1):
            offsets.write(lines.tell().to_bytes(8, "little"))
            found = {"row": row, "detail": f"turn 1: a key, number {row}", "other": 0, "group": 0}
            lines.write(json.dumps(found).encode() + b"\n")
    return version


def bytes_read() -> int:
    """By this process so far, as the kernel counts them."""
    return int(Path("/proc/self/io").read_text(encoding="ascii").split()[1])


@pytest.mark.parametrize("start", [0, FINDINGS // 2, FINDINGS - 20])
def test_a_page_of_many_findings_reads_some_kilobytes(tmp_path: Path, version: DatasetVersion, start: int) -> None:
    before = bytes_read()
    found = datasets.read_findings(tmp_path, version, "secrets", start=start, limit=20)
    read = bytes_read() - before

    assert found is not None
    assert [finding.row for finding in found] == list(range(start + 1, start + 21))
    assert read < 40_000


def test_beyond_the_last_finding_there_is_none(tmp_path: Path, version: DatasetVersion) -> None:
    assert datasets.read_findings(tmp_path, version, "secrets", start=FINDINGS, limit=20) == []
    assert datasets.read_findings(tmp_path, version, "../secrets", start=0, limit=20) is None
