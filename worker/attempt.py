"""What an attempt leaves behind: its lines, and the kernel's counters."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from studio.runs import Event, parse_event
from studio.runs.events import Exported, Failed, Measured, PhaseBegan, Progressed, Tried
from studio.runs.status import Phase

log = logging.getLogger(__name__)

_READ_LIMIT_BYTES = 1 << 20


class EventTail:
    """Reads the lines that were added since the last look; what has no newline yet stays for the next."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[Event]:
        """At most 1 MiB of new events; a line that is not an event is logged and skipped."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                fresh = stream.read(_READ_LIMIT_BYTES)
        except FileNotFoundError:
            return []
        whole, newline, _ = fresh.rpartition(b"\n")
        if not newline:
            # A line longer than the limit would never end; no event is that long.
            self._offset += len(fresh) if len(fresh) == _READ_LIMIT_BYTES else 0
            return []
        self._offset += len(whole) + 1
        return [event for line in whole.split(b"\n") if (event := self._parse(line)) is not None]

    def _parse(self, line: bytes) -> Event | None:
        try:
            return parse_event(line)
        except ValidationError:
            log.warning("%s holds a line that is no event: %r", self._path, line[:200])
            return None


@dataclass(slots=True)
class Said:
    """What was heard so far that decides how the run ends."""

    step: int = 0
    phase: Phase = "starting"
    exported: Exported | None = None
    failed: Failed | None = None
    has_tried: bool = False

    def hear(self, events: list[Event]) -> None:
        """Keep what counts."""
        for event in events:
            if isinstance(event, Measured | Progressed):
                self.step = max(self.step, event.step)
            elif isinstance(event, PhaseBegan):
                self.phase = event.phase
            elif isinstance(event, Exported):
                self.exported = event
            elif isinstance(event, Failed):
                self.failed = event
            elif isinstance(event, Tried):
                self.has_tried = True


def count_oom_kills() -> int:
    """How often the kernel has killed for memory: in this control group, else on this machine; 0 where unknown."""
    for path, pattern in (
        (_cgroup_folder() / "memory.events", r"^oom_kill (\d+)$"),
        (Path("/sys/fs/cgroup/memory/memory.oom_control"), r"^oom_kill (\d+)$"),
        (Path("/proc/vmstat"), r"^oom_kill (\d+)$"),
    ):
        try:
            found = re.search(pattern, path.read_text(encoding="ascii"), re.MULTILINE)
        except (OSError, UnicodeDecodeError):
            continue
        if found:
            return int(found[1])
    return 0


def _cgroup_folder() -> Path:
    """This process's folder in the unified hierarchy (cgroups(7), version 2)."""
    root = Path("/sys/fs/cgroup")
    try:
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            if line.startswith("0::"):
                return root / line.removeprefix("0::").lstrip("/")
    except OSError:
        return root
    return root
