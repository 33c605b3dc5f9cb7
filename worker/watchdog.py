"""Notices a trainer that hangs: no sign of life for longer than the slowest work between two signs can take."""

import statistics
from collections import deque
from pathlib import Path

from studio.runs import Event
from studio.runs.events import PhaseBegan, Progressed
from studio.runs.status import Phase

STEPS_WITHOUT_A_SIGN = 20
# Loading 100 GB of weights, tokenising a million rows or zipping a whole model gives no sign for minutes.
QUIET_PHASES_TAKE = 10
_STEADY: frozenset[Phase] = frozenset({"training", "evaluating"})
_REMEMBERED = 50
# Looks are 50 ms apart. Much longer means that this process was frozen, and perhaps the trainer with it.
_FROZEN_SECONDS = 5.0


class Watchdog:
    """A sign of life is any change of the events file: a line more, or its time touched. `now` is monotonic."""

    def __init__(self, events: Path, seconds: float, now: float) -> None:
        self._events = events
        self._seconds = seconds
        self._seen_at = self._looked_at = now
        self._seen: tuple[int, int] | None = None
        self._phase: Phase = "starting"
        self._step: tuple[int, float] | None = None
        self._step_seconds: deque[float] = deque(maxlen=_REMEMBERED)

    def hear(self, events: list[Event], now: float) -> None:
        """Learn the phase and how long a step takes."""
        for event in events:
            if isinstance(event, PhaseBegan):
                self._phase, self._step = event.phase, None
            elif isinstance(event, Progressed) and (self._step is None or event.step > self._step[0]):
                if self._step is not None:
                    self._step_seconds.append((now - self._step[1]) / (event.step - self._step[0]))
                self._step = (event.step, now)

    def patience(self) -> float:
        """Seconds without a sign that are still no hang, in the present phase."""
        if self._phase not in _STEADY:
            return self._seconds * QUIET_PHASES_TAKE
        if not self._step_seconds:
            return self._seconds
        return max(self._seconds, STEPS_WITHOUT_A_SIGN * statistics.median(self._step_seconds))

    def silent_for(self, now: float) -> float:
        """Seconds since the last sign of life, without those in which this process itself stood still."""
        gap, self._looked_at = now - self._looked_at, now
        if gap > _FROZEN_SECONDS:
            self._seen_at += gap
        try:
            status = self._events.stat()
        except FileNotFoundError:
            return now - self._seen_at
        sign = (status.st_size, status.st_mtime_ns)
        if sign != self._seen:
            self._seen, self._seen_at = sign, now
        return now - self._seen_at

    def is_hung(self, now: float) -> bool:
        """Whether the trainer gave no sign for longer than its patience."""
        return self.silent_for(now) > self.patience()
