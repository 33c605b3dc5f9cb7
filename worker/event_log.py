"""Writes what the trainer says into `events.jsonl`: one line an event, flushed at once, synced once a second."""

import os
import time
from pathlib import Path
from types import TracebackType

from studio.runs import Event
from studio.runs.events import Checkpointed, Exported, Failed, PhaseBegan, Tried, event_line
from studio.runs.status import Phase

FSYNC_SECONDS = 1.0
SIGN_SECONDS = 1.0


class EventLog:
    """The trainer's only way to be heard; it also knows which phase is on and how long each took."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self._stream = path.open("a", encoding="utf-8")
        self._synced = self._phase_began = self._signed = time.monotonic()
        self.phase: Phase = "starting"
        self._seconds: dict[str, float] = {}

    def __enter__(self) -> "EventLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sync()
        self._stream.close()

    def emit(self, *events: Event) -> None:
        """Append events in one piece; a checkpoint and the last ones of a run are on disk when this returns."""
        self._stream.write("".join(event_line(event) for event in events))
        self._stream.flush()
        urgent = any(isinstance(event, Checkpointed | Failed | Exported | Tried) for event in events)
        if urgent or time.monotonic() - self._synced > FSYNC_SECONDS:
            self._sync()

    def begin(self, phase: Phase, note: str = "") -> None:
        """Say that the trainer does something else from now on."""
        self._seconds = self.seconds_by_phase()
        self.phase, self._phase_began = phase, time.monotonic()
        self.emit(PhaseBegan(phase=phase, note=note))

    def show_life(self) -> None:
        """Between events that are far apart: touch the file, which is what the supervisor's watchdog looks at."""
        if time.monotonic() - self._signed > SIGN_SECONDS:
            os.utime(self._stream.fileno())
            self._signed = time.monotonic()

    def seconds_by_phase(self) -> dict[str, float]:
        """How long each phase took so far, to the millisecond."""
        latest = self._seconds.get(self.phase, 0.0) + time.monotonic() - self._phase_began
        return {**self._seconds, self.phase: round(latest, 3)}

    def _sync(self) -> None:
        os.fsync(self._stream.fileno())
        self._synced = time.monotonic()
