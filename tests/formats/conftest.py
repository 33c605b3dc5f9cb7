"""A way to check bytes in this process, for the many cases that need no child."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.formats.check import check_file
from studio.formats.kinds import file_kind
from studio.formats.limits import ImportLimits
from studio.formats.report import Report, Request

Check = Callable[..., Report]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Check a file of this name with these bytes."""

    def run(
        name: str, content: bytes, mapping: dict[str, str] | None = None, limits: ImportLimits | None = None
    ) -> Report:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        path = folder / "upload"
        path.write_bytes(content)
        return check_file(Request(path, folder, file_kind(name), mapping, limits or ImportLimits()))

    return run


@pytest.fixture
def rows(tmp_path: Path) -> Callable[..., list[str]]:
    """Check a file that is good and give its canonical lines."""

    def run(name: str, content: bytes, mapping: dict[str, str] | None = None) -> list[str]:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        path = folder / "upload"
        path.write_bytes(content)
        report = check_file(Request(path, folder, file_kind(name), mapping, ImportLimits()))
        assert report.outcome == "accepted", report
        return (folder / "rows.jsonl").read_text(encoding="utf-8").split("\n")[:-1]

    return run
