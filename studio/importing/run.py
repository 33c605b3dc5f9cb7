"""Gets a file and has it checked; both steps are children of this one, which parses nothing itself.

A file that lies elsewhere is fetched by a program of its own, FETCH_MODULE, which is a child like that of any chore
(studio.chores.child): `request.json` in its folder is what `hub` is here, it tells its progress, and the result that
it reports holds `file` (a name within its folder), `kind` (a label, such as parquet), `file_name` (to be shown) and
`source` (facts that are kept with the version). CannotDo says in a sentence why there is no file. It alone is given
this program's environment, which may hold the Hub's token; the program that reads the file is not.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from studio.chores.child import PROGRESS_FILE, REPORT_FILE, REQUEST_FILE, CannotDo, Progress
from studio.formats import FileKind, ImportLimits
from studio.formats.asking import ask_child
from studio.formats.report import Report, Request
from studio.formats.telling import read_told
from studio.importing import CHECKED_FOLDER, FETCHED_FOLDER
from studio.storage import fsync_file, sha256_of

FETCH_MODULE = "worker.hub_rows"
READING = "Reading and checking"
_WATCHED_SECONDS = 0.2
_FETCH_MEMORY_BYTES = 2 << 30
_FETCH_CPU_SECONDS = 1800
_DISK_FULL = "The disk is full. Free some space in the data folder and try again."
_BROKE_OFF = "Fetching the rows broke off. Try it again; the worker's log says more."


def import_rows(request: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """The report of the check, and what was fetched for it, if anything was; raises CannotDo."""
    fetched = None
    if request["path"] is None:
        fetched = _fetched(request["hub"], folder / FETCHED_FOLDER, progress)
        request = request | {"path": str(folder / FETCHED_FOLDER / fetched["file"]), "kind": fetched["kind"]}
    report = _check(request, folder / CHECKED_FOLDER, progress)
    if report.outcome == "disk_full":
        raise CannotDo(_DISK_FULL)
    _bring_to_disk(folder, progress)
    return {"report": asdict(report), "fetched": fetched}


def _bring_to_disk(folder: Path, progress: Progress) -> None:
    """Gigabytes take seconds, while the lease is renewed; whoever stores the files then only renames them."""
    progress.tell("Storing", 0, 0)
    for name in (FETCHED_FOLDER, CHECKED_FOLDER):
        for path in (folder / name).glob("*"):
            fsync_file(path)


def _check(request: dict[str, Any], folder: Path, progress: Progress) -> Report:
    folder.mkdir()
    asked = Request(
        path=Path(request["path"]),
        folder=folder,
        kind=FileKind.of_label(request["kind"]),
        mapping=request["mapping"],
        limits=ImportLimits(**request["limits"]),
        leave_out=request["leave_out"],
    )

    def watch() -> None:
        if told := read_told(folder):
            progress.tell(READING, *told)

    return ask_child(asked, watch)


def _fetched(hub: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """What the fetching program reports, with the SHA-256 and the size of its file."""
    folder.mkdir()
    limits = {"memory_bytes": _FETCH_MEMORY_BYTES, "cpu_seconds": _FETCH_CPU_SECONDS}
    (folder / REQUEST_FILE).write_text(json.dumps(hub | limits), encoding="utf-8")
    report = _run(folder, progress)
    if report["problem"]:
        raise CannotDo(report["problem"])
    path = folder / report["result"]["file"]
    facts: dict[str, Any] = report["result"] | {"sha256": sha256_of(path), "size_bytes": path.stat().st_size}
    return facts


def _run(folder: Path, progress: Progress) -> dict[str, Any]:
    with subprocess.Popen(
        [sys.executable, "-P", "-s", "-m", FETCH_MODULE, str(folder)], stdin=subprocess.PIPE, cwd=folder
    ) as child:
        try:
            code = _follow(child, folder, progress)
        finally:
            child.kill()
    if code != 0:
        raise CannotDo(_BROKE_OFF)
    report: dict[str, Any] = json.loads((folder / REPORT_FILE).read_bytes())
    return report


def _follow(child: "subprocess.Popen[bytes]", folder: Path, progress: Progress) -> int:
    while True:
        try:
            return child.wait(_WATCHED_SECONDS)
        except subprocess.TimeoutExpired:
            if (folder / PROGRESS_FILE).is_file():
                progress.tell(**json.loads((folder / PROGRESS_FILE).read_bytes()))
