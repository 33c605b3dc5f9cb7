"""Checkups: what is wrong with a version, found once and kept until its rules, its rows or its split change.

Findings lie in a cache, since they can be found again at any time: a page of them is read by two seeks, however many
there are.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio import chores
from studio.actors import Actor
from studio.checks import FINDINGS_FOLDER, RULES_VERSION
from studio.chores import Chore, ChoreLease
from studio.datasets.models import DatasetVersion
from studio.formats.canonical import OFFSET_BYTES
from studio.queue import Queue

CHECKUPS_FOLDER = "checkups"


@dataclass(frozen=True, slots=True)
class FoundRow:
    """One finding of a check: the row (from 1), what is said of it, the row it collides with (0: none)."""

    row: int
    detail: str
    other: int
    group: int


def checkup_key(version: DatasetVersion) -> str:
    """Changes with the rows, their split and the rules."""
    parts = [RULES_VERSION, version.sha256, version.split]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def ask_checkup(session: Session, actor: Actor, version: DatasetVersion, *, queue: Queue, again: bool = False) -> Chore:
    """Have a version checked, unless it is or was; `again` checks it anew."""
    params = {"version_id": version.id}
    key = checkup_key(version)
    return chores.ask(session, actor, "checkup", key, params, queue=queue, version_id=version.id, again=again)


def checkup_of(session: Session, actor: Actor, version: DatasetVersion) -> Chore | None:
    """The newest checkup of a version, in whatever state it is."""
    return chores.newest(session, actor, "checkup", checkup_key(version))


def found_by_checks(session: Session, actor: Actor, version: DatasetVersion) -> list[dict[str, Any]]:
    """The checks that found something in a version; empty while its checkup is not done."""
    chore = checkup_of(session, actor, version)
    checks: list[dict[str, Any]] = chore.result["checks"] if chore is not None and chore.status == "done" else []
    return [check for check in checks if check["count"]]


def healths(session: Session, actor: Actor, versions: Sequence[DatasetVersion]) -> dict[str, dict[str, int]]:
    """How many blockers, warnings and notes each checked version has, by version id."""
    keys: dict[str, list[str]] = {}
    for version in versions:
        keys.setdefault(checkup_key(version), []).append(version.id)
    query = select(Chore.key, Chore.result).where(
        Chore.owner_id == actor.id, Chore.kind == "checkup", Chore.status == "done", Chore.key.in_(keys)
    )
    return {version_id: result["health"] for key, result in session.execute(query) for version_id in keys[key]}


def findings_folder(cache: Path, version: DatasetVersion) -> Path:
    """Where the findings of a version's checkup lie, if it was checked and the cache was not cleared."""
    return _folder(cache, checkup_key(version))


def keep_findings(cache: Path, lease: ChoreLease, folder: Path) -> None:
    """Move what the child left into the cache; the files of an earlier time are replaced."""
    target = _folder(cache, lease.key)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    (folder / FINDINGS_FOLDER).rename(target)


def read_findings(cache: Path, version: DatasetVersion, check: str, *, start: int, limit: int) -> list[FoundRow] | None:
    """Up to `limit` findings from the `start`-th (from 0); None when the cache has been cleared."""
    folder = _folder(cache, checkup_key(version))
    if not check.isidentifier():
        return None
    try:
        with (folder / f"{check}.offsets").open("rb") as offsets, (folder / f"{check}.jsonl").open("rb") as lines:
            return _read(offsets, lines, start, limit)
    except FileNotFoundError:
        return None


def _read(offsets: BinaryIO, lines: BinaryIO, start: int, limit: int) -> list[FoundRow]:
    offsets.seek(start * OFFSET_BYTES)
    begin = offsets.read(OFFSET_BYTES)
    if not begin:
        return []
    lines.seek(int.from_bytes(begin, "little"))
    found: list[FoundRow] = []
    while len(found) < limit and (line := lines.readline()):
        finding: dict[str, Any] = json.loads(line)
        found.append(FoundRow(**finding))
    return found


def _folder(cache: Path, key: str) -> Path:
    return cache / CHECKUPS_FOLDER / key
