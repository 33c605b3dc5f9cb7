"""The child: quick to start, free of heavy modules, bounded in memory, and gone when nobody waits."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.formats.kinds import FileKind
from studio.formats.limits import MIB, ImportLimits
from studio.formats.report import Report, Request


def run_child(request: Request) -> Report:
    with subprocess.Popen([sys.executable, "-m", "studio.formats"], stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.write(json.dumps(request.to_json()).encode() + b"\n")
        child.stdin.flush()
        assert child.wait(timeout=60) == 0
    return Report(**json.loads((request.folder / "report.json").read_text()))


def request_for(folder: Path, content: bytes, limits: ImportLimits | None = None) -> Request:
    path = folder / "upload"
    path.write_bytes(content)
    return Request(path, folder, FileKind("jsonl", False), None, limits or ImportLimits())


def test_a_request_survives_its_journey(tmp_path: Path) -> None:
    request = request_for(tmp_path, b"")

    assert Request.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_the_child_imports_nothing_heavy() -> None:
    code = (
        "import sys, studio.formats.__main__;"
        "heavy = {'sqlalchemy', 'pydantic', 'pyarrow', 'numpy', 'studio.datasets', 'studio.errors'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_single_line_of_many_megabytes_takes_little_memory(tmp_path: Path) -> None:
    code = (
        "import json, resource, sys;"
        "from studio.formats.check import check_file;"
        "from studio.formats.report import Request;"
        "request = Request.from_json(json.loads(sys.stdin.readline()));"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "print(check_file(request).outcome, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    request = request_for(tmp_path, b'{"text": "' + b"x" * (64 * MIB))

    answer = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(request.to_json()).encode(), check=True, capture_output=True
    )

    outcome, grown_kib = answer.stdout.split()
    assert outcome == b"invalid"
    assert int(grown_kib) <= 16 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
def test_too_much_memory_is_told_in_a_sentence(tmp_path: Path) -> None:
    # 1.3 million empty objects of 64 bytes each take more than 80 MiB.
    row = b'{"text": [' + b"{}," * 1_300_000 + b"{}]}\n"

    report = run_child(request_for(tmp_path, row, ImportLimits(memory_bytes=96 * MIB)))

    assert report.outcome == "invalid"
    assert "too much memory" in report.problems[0]


def test_the_child_ends_when_nobody_waits(tmp_path: Path) -> None:
    request = request_for(tmp_path, b'{"text": "a"}\n' * 2_000_000)
    child = subprocess.Popen([sys.executable, "-m", "studio.formats"], stdin=subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.write(json.dumps(request.to_json()).encode() + b"\n")
    started = time.monotonic()

    child.stdin.close()

    assert child.wait(timeout=10) == 1
    assert time.monotonic() - started < 2
