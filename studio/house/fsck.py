"""`tunewright fsck`: do rows and files fit each other, and is every file what was stored? Safe at any time."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from studio.db import reading, utc_now
from studio.house.checkpoints import checkpoint_findings
from studio.house.files import file_findings
from studio.house.findings import Finding, House
from studio.house.leftovers import SPARED_SECONDS, leftover_findings
from studio.settings import Settings

_LAST_FILE = "fsck.json"
_NOT_NOW = "It could not be mended now: it is in use, or what it would be made from is damaged too."


@dataclass(frozen=True, slots=True)
class LastCheck:
    """When the house was last checked as a whole, and how many findings were left."""

    at: str
    findings: int

    @property
    def moment(self) -> datetime:
        """The time, aware."""
        return datetime.fromisoformat(self.at)


def examine(house: House, *, spared_seconds: float = SPARED_SECONDS) -> Iterator[Finding]:
    """Everything that is not as it should be; what no row names counts once it is older than `spared_seconds`."""
    broken = list(_database_findings(house))
    yield from broken
    if not broken:
        yield from file_findings(house)
        yield from checkpoint_findings(house)
        yield from leftover_findings(house, spared_seconds)


def check(house: House, *, repair: bool, say: Callable[[str], None]) -> int:
    """Say each finding in a line, mend what can be mended if asked, and return how many are left."""
    mended = left = mendable = 0
    for finding in examine(house):
        if repair and finding.mend is not None and finding.mend():
            mended += 1
            say(f"{finding.sentence} Mended.")
        else:
            left += 1
            mendable += finding.mend is not None
            say(f"{finding.sentence} {_NOT_NOW if repair and finding.mend else finding.remedy}")
    note_check(house.settings, left)
    say(_summary(mended, left, 0 if repair else mendable))
    return left


def _summary(mended: int, left: int, mendable: int) -> str:
    if not mended and not left:
        return "Nothing is wrong."
    said = f"{left} {'finding' if left == 1 else 'findings'} left, {mended} mended."
    return f"{said} tunewright fsck --repair mends {mendable} of them." if mendable else said


def note_check(settings: Settings, findings: int) -> None:
    """Remember the outcome for the system page."""
    path = settings.data_dir / _LAST_FILE
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(LastCheck(utc_now().isoformat(), findings))), encoding="utf-8")
    temporary.replace(path)


def last_check(settings: Settings) -> LastCheck | None:
    """The outcome that was remembered last; None when there is none."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return LastCheck(**json.loads((settings.data_dir / _LAST_FILE).read_text(encoding="utf-8")))
    return None


def _database_findings(house: House) -> Iterator[Finding]:
    """SQLite's own check of its file; PostgreSQL checks its pages by itself."""
    with reading(house.session_factory) as session:
        if session.get_bind().dialect.name != "sqlite":
            return
        try:
            said = list(session.scalars(text("PRAGMA quick_check(3)")))
            orphans = session.execute(text("PRAGMA foreign_key_check")).first()
        except DatabaseError as error:
            said, orphans = [str(error.orig)], None
    remedy = "It cannot be mended here: restore it from a backup."
    if said != ["ok"]:
        yield Finding(f"The database file is damaged: {'; '.join(said)}.", remedy)
    elif orphans is not None:
        yield Finding(f"A row of {orphans[0]} refers to a row of {orphans[2]} that is not there.", remedy)
