"""Instants of an attempt at which a fault may strike, seen from outside by what the trainer has written."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

from studio import runs
from studio.runs import Run
from studio.runs.folders import CHECKPOINTS, EVENTS_FILE
from tests.faults.chaos.home import Home
from tests.faults.chaos.processes import alive

_POLL_SECONDS = 0.002


class Attempt:
    """What the trainer of one attempt has said so far, recorded or not."""

    def __init__(self, home: Home, run: Run) -> None:
        self.run_id, self.epoch = run.id, run.epoch
        self._folder = runs.attempt_folder(home.settings.runs_dir, run.id, run.epoch)
        self._offset = 0
        self.phase = "starting"
        self.step = 0
        self.passed = 0
        """Steps of this attempt; `step` counts those of the run."""

    def look(self) -> None:
        """Read on."""
        path = self._folder / EVENTS_FILE
        if not path.is_file():
            return
        with path.open("rb") as stream:
            stream.seek(self._offset)
            whole, newline, _ = stream.read().rpartition(b"\n")
        if newline:
            self._offset += len(whole) + 1
            for line in whole.split(b"\n"):
                self._hear(json.loads(line))

    def _hear(self, event: dict[str, object]) -> None:
        if event["t"] == "phase":
            self.phase = str(event["phase"])
        elif event["t"] == "progress":
            self.step = int(str(event["step"]))
            self.passed += 1

    @property
    def is_saving(self) -> bool:
        """Whether a checkpoint is being written just now."""
        return any((self._folder / CHECKPOINTS).glob("tmp-*"))

    @property
    def partial_checkpoints(self) -> list[Path]:
        """What a kill inside the writing of a checkpoint has left."""
        return list((self._folder / CHECKPOINTS).glob("tmp-*"))


Moment = Callable[[Attempt], bool]
MOMENTS: dict[str, Moment] = {
    "start": lambda attempt: True,
    "load": lambda attempt: attempt.phase == "loading_model",
    "tokenise": lambda attempt: attempt.phase == "preparing_data",
    "first step": lambda attempt: attempt.phase == "training" and attempt.passed == 0,
    "step": lambda attempt: attempt.phase == "training" and attempt.passed > 0,
    "evaluate": lambda attempt: attempt.phase == "evaluating" and attempt.passed > 0,
    "checkpoint": lambda attempt: attempt.is_saving,
    "export": lambda attempt: attempt.phase == "exporting",
}
# Nothing can have been committed in these, so a kill there is an idle attempt.
EARLY = ("start", "load", "tokenise", "first step")
LATE = ("step", "step", "evaluate", "checkpoint", "checkpoint", "export")
# The longest that a random instant lies behind the beginning of its moment: about one step.
_JITTER_SECONDS = {"start": 0.1, "load": 0.08, "tokenise": 0.2, "checkpoint": 0.02, "export": 0.03, "evaluate": 0.1}
_STEP_SECONDS = 0.4


def await_moment(attempt: Attempt, pid: int, name: str, rng: random.Random) -> bool:
    """Wait for a random instant within the moment; False when the process was gone before."""
    is_there = MOMENTS[name]
    while True:
        attempt.look()
        if is_there(attempt):
            break
        if not alive([pid]):
            return False
        time.sleep(_POLL_SECONDS)
    time.sleep(rng.uniform(0, _JITTER_SECONDS.get(name, _STEP_SECONDS)))
    attempt.look()
    return bool(alive([pid]))
