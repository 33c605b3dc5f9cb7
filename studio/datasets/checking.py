"""Run the checking child on one file and turn its report into an answer or an error."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import studio
from studio.errors import InvalidInput, StorageFull, TooLarge, UnsupportedFile
from studio.formats import TARGETS, ImportLimits
from studio.formats.report import REPORT_FILE, Report, Request

_LOG = logging.getLogger(__name__)
_STDERR_FILE = "stderr.txt"
_STDERR_LOGGED_BYTES = 4000
_ENDED_BY = {
    signal.SIGXCPU: "it took too long",
    signal.SIGKILL: "it took too long or too much memory",
}


class MappingNeeded(InvalidInput):
    """The columns are not known by name; `columns` holds each with up to three values, `targets` the choices."""

    code = "mapping_needed"

    def __init__(self, message: str, *, columns: Mapping[str, list[str]], targets: tuple[str, ...]) -> None:
        super().__init__(message, fields={"mapping": message})
        self.columns = dict(columns)
        self.targets = targets


class RowsRefused(InvalidInput):
    """Rows have problems; `good_rows` could be imported without them, 0 if those are too few."""

    def __init__(self, message: str, *, problems: Sequence[str], good_rows: int) -> None:
        super().__init__(message, problems=problems)
        self.good_rows = good_rows


def checked(request: Request, file_name: str) -> Report:
    """Check a file in a child process; raises InvalidInput, UnsupportedFile, TooLarge or StorageFull."""
    return _accepted(_run_child(request, file_name), request, file_name)


def _run_child(request: Request, file_name: str) -> Report:
    with (request.folder / _STDERR_FILE).open("wb") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-P", "-s", "-m", "studio.formats"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            cwd=request.folder,
            env=_environment(),
            start_new_session=True,
        )
        with child:
            try:
                code = _converse(child, request)
            finally:
                child.kill()
    report = request.folder / REPORT_FILE
    if code != 0 or not report.is_file():
        raise _crashed(code, request, file_name)
    return Report(**json.loads(report.read_text(encoding="ascii")))


def _converse(child: "subprocess.Popen[bytes]", request: Request) -> int:
    """Send the request and wait. The pipe stays open: its end tells the child that nobody waits any more."""
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps(request.to_json()).encode() + b"\n")
        child.stdin.flush()
        return child.wait(timeout=request.limits.wall_seconds)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL
    except BrokenPipeError:
        return child.wait(timeout=request.limits.wall_seconds)


def _environment() -> dict[str, str]:
    """Only what Python needs: no setting and no secret of the website reaches the child."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    source = str(Path(studio.__file__).parents[1])
    arrow = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return kept | arrow | {"LANG": "C.UTF-8", "PYTHONPATH": source}


def _crashed(code: int, request: Request, file_name: str) -> InvalidInput:
    stderr = (request.folder / _STDERR_FILE).read_bytes()[-_STDERR_LOGGED_BYTES:]
    _LOG.error("checking a file ended with code %s: %s", code, stderr.decode(errors="replace"))
    reason = _ENDED_BY.get(signal.Signals(-code), "it broke off") if code < 0 else "it broke off"
    sentence = f"Reading the file was given up because {reason}. Upload it in smaller parts, or as JSON Lines."
    return InvalidInput(f"{file_name} was not imported. {sentence}", problems=[sentence])


def _accepted(report: Report, request: Request, file_name: str) -> Report:
    match report.outcome:
        case "accepted":
            return report
        case "unsupported":
            raise UnsupportedFile(f"{file_name}: {report.message}", problems=[report.message])
        case "too_large":
            raise TooLarge(f"{file_name}: {report.message}")
        case "disk_full":
            raise StorageFull("The disk is full. Free some space in the data folder and try again.")
        case "needs_mapping":
            raise _mapping_needed(report)
        case "wrong_mapping":
            raise InvalidInput(report.message, fields=report.fields)
        case "invalid":
            raise _invalid(report, request.limits, file_name)


def _mapping_needed(report: Report) -> MappingNeeded:
    names = ", ".join(report.columns)
    message = f"Say which column holds what: the columns are {names}."
    return MappingNeeded(message, columns=report.columns, targets=TARGETS)


def _invalid(report: Report, limits: ImportLimits, file_name: str) -> InvalidInput:
    message = f"{file_name} was not imported: {_counted(report, limits)}. {report.problems[0]}"
    if report.good_rows:
        message += f". The other {report.good_rows:,} rows are fine and can be imported alone (leave_out)."
    return RowsRefused(message, problems=report.problems, good_rows=report.good_rows)


def _counted(report: Report, limits: ImportLimits) -> str:
    count = report.problem_count
    if count >= limits.problems_counted:
        return f"{count:,} problems or more"
    return "1 problem" if count == 1 else f"{count:,} problems"
