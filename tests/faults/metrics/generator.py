"""A trainer that trains nothing: every value is a function of its metric and step, so that none can be made up for."""

import time
import zlib
from pathlib import Path

from studio.runs.events import Measured, PhaseBegan
from studio.runs.folders import EVENTS_FILE
from tests.worker.standin import export
from worker.assignment import Assignment
from worker.event_log import EventLog

METRICS = ("train/loss", "train/grad_norm", "train/learning_rate", "eval/loss")
STEPS_AT_ONCE = 10
Key = tuple[str, int]


def value_at(name: str, step: int) -> float | str:
    """The value as it is said: one of 500 is not finite."""
    mark = zlib.crc32(f"{name} {step}".encode())
    return ("nan", "inf", "-inf")[mark % 3] if mark % 500 == 0 else (mark - 2**31) / 12345.678


def expected(steps: int) -> dict[Key, float | str]:
    """All points of a run of so many steps."""
    return {(name, step): value_at(name, step) for name in METRICS for step in range(1, steps + 1)}


def train(folder: Path, *, steps: int, points_per_second: float) -> int:
    """Say all points at this pace, through the trainer's own log, then export."""
    began = time.monotonic()
    with EventLog(folder / EVENTS_FILE) as events:
        events.emit(PhaseBegan(phase="training"))
        for first in range(1, steps + 1, STEPS_AT_ONCE):
            batch = range(first, min(first + STEPS_AT_ONCE, steps + 1))
            events.emit(*(Measured(step=s, values={name: value_at(name, s) for name in METRICS}) for s in batch))  # type: ignore[misc]
            due = began + batch[-1] * len(METRICS) / points_per_second
            time.sleep(max(0.0, due - time.monotonic()))
    export(folder, Assignment.read(folder), steps)
    return 0
