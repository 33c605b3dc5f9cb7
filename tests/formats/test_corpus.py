"""The whole corpus, in this process: every bad file is refused with its place, every good one read as it is meant."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.formats.check import check_file
from studio.formats.kinds import file_kind
from studio.formats.limits import ImportLimits
from studio.formats.problems import UnreadableKind
from studio.formats.report import Report, Request
from tests.formats.corpus import BadFile, GoodFile, bad_files, good_files

BAD, GOOD = bad_files(), good_files()
STATUS = {"invalid": 422, "needs_mapping": 422, "unsupported": 415, "too_large": 413}
MARKS = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\\u0022",
    b"\\ud800",
    b"1e999",
    b"\x1f\x8b",
]
Read = Callable[[str, bytes], Report]


def label_of(file: BadFile | GoodFile) -> str:
    return file.label


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Check a file as an import does."""

    def run(name: str, content: bytes) -> Report:
        (tmp_path / "upload").write_bytes(content)
        try:
            kind = file_kind(name)
        except UnreadableKind as refusal:
            return Report(outcome="unsupported", message=str(refusal))
        return check_file(Request(tmp_path / "upload", tmp_path, kind, None, ImportLimits()))

    return run


def test_the_corpus_is_large_and_each_file_has_its_own_name() -> None:
    assert (len(BAD) >= 300, len(GOOD) >= 100) == (True, True)
    assert len({file.label for file in [*BAD, *GOOD]}) == len(BAD) + len(GOOD)


@pytest.mark.parametrize("file", BAD, ids=label_of)
def test_a_bad_file_is_refused_with_place_and_reason(read: Read, file: BadFile) -> None:
    started = time.process_time()

    report = read(file.name, file.content)

    told = " ".join([report.message, *report.problems, *("Say which column holds what" for _ in report.columns)])
    assert STATUS.get(report.outcome) == file.status, told[:500]
    assert [part for part in file.says if part not in told] == [], told[:500]
    assert time.process_time() - started <= 2


@pytest.mark.parametrize("file", GOOD, ids=label_of)
def test_a_good_file_is_read_as_it_is_meant(read: Read, tmp_path: Path, file: GoodFile) -> None:
    report = read(file.name, file.content)

    assert report.outcome == "accepted", report.problems[:3]
    assert (tmp_path / "rows.jsonl").read_bytes() == file.rows


CUTS = st.tuples(st.floats(0, 1), st.integers(0, 6), st.binary(max_size=6) | st.sampled_from(MARKS))


@given(file=st.sampled_from([file for file in GOOD if len(file.content) < 2000]), cuts=st.lists(CUTS, max_size=4))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_or_refused(read: Read, file: GoodFile, cuts: list[tuple[float, int, bytes]]) -> None:
    content = file.content
    for where, length, instead in cuts:
        at = int(where * len(content))
        content = content[:at] + instead + content[at + length :]

    report = read(file.name, content)

    assert report.outcome == "accepted" or report.outcome in STATUS
    assert report.outcome != "invalid" or report.problems
