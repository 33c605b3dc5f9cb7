"""What an attempt leaves behind and what its end means: its lines, its exit code, the kernel's counters."""

import logging
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from studio.runs import Event, parse_event
from studio.runs.events import Exported, Failed, Measured, Progressed
from studio.runs.status import FailureKind

log = logging.getLogger(__name__)

_REASON_LIMIT = 600
_READ_LIMIT_BYTES = 1 << 20
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}


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
    exported: Exported | None = None
    failed: Failed | None = None

    def hear(self, events: list[Event]) -> None:
        """Keep what counts."""
        for event in events:
            if isinstance(event, Measured | Progressed):
                self.step = max(self.step, event.step)
            elif isinstance(event, Exported):
                self.exported = event
            elif isinstance(event, Failed):
                self.failed = event


class RunFailed(Exception):
    """The run ends as failed, for this reason."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind: FailureKind = kind
        self.reason = reason


def explain_end(said: Said, exit_code: int, *, who: str, oom_kills: int) -> RunFailed:
    """The sentence for a child that left without a result; `oom_kills` is how many the kernel counted meanwhile."""
    if said.failed is not None:
        return RunFailed(said.failed.kind, _one_sentence(said.failed.reason))
    where = f" at step {said.step}" if said.step else " before its first step"
    if exit_code < 0:
        number = signal.Signals(-exit_code)
        name = f"signal {number.value} ({number.name})"
        if number in _CRASHES:
            return RunFailed("internal", f"The {who} crashed with {name}{where}; the log says more.")
        if number == signal.SIGKILL and oom_kills > 0:
            sentence = f"The kernel ended the {who}{where} because the machine ran out of memory."
            return RunFailed("oom_host", sentence)
        return RunFailed("killed", f"The {who} was ended by {name}{where}. Nothing of this attempt is kept.")
    return RunFailed("internal", f"The {who} left without a result (exit code {exit_code}){where}; read the log.")


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


def _one_sentence(reason: str) -> str:
    """One line, never a stack trace: that belongs into the log."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    if not lines or any(line.startswith("Traceback") for line in lines):
        return "Something failed inside the trainer; the log says what."
    return " ".join(lines)[:_REASON_LIMIT]
