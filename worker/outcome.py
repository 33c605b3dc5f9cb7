"""What the end of a trainer means for its run: decided from what it said, how it left and what it was told."""

import signal
from dataclasses import dataclass

from studio.runs.events import Exported
from studio.runs.status import FailureKind
from worker.attempt import Said
from worker.keeper import Ending
from worker.signals import EXIT_AT_CAP, EXIT_GPU_BUSY, EXIT_SAVED, FINISH

NOTHING_TO_KEEP = "The run was stopped before its first checkpoint, so there was nothing to keep."
CAP_BEFORE_CHECKPOINT = "The cap was reached before the first checkpoint, so there was nothing to keep."
CAP_BEFORE_FIRST_STEP = "The cap was reached before the first step, so there was nothing to keep."
GPU_BUSY = "The GPU is in use by another program; the run waits for it."
GPU_BUSY_SECONDS = 10.0
_REASON_LIMIT = 600
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}


@dataclass(frozen=True, slots=True)
class Left:
    """How a child left: its exit code (negative: the signal), and what it had been told before."""

    exit_code: int
    told: Ending | None = None
    told_to_finish: bool = False
    hung_seconds: float | None = None
    oom_kills: int = 0


@dataclass(frozen=True, slots=True)
class Finish:
    """Store and register the result."""

    exported: Exported


@dataclass(frozen=True, slots=True)
class Tried:
    """End a trial, which has no result to store."""


@dataclass(frozen=True, slots=True)
class Fail:
    """End as failed: trying again would fail again."""

    kind: FailureKind
    reason: str


@dataclass(frozen=True, slots=True)
class Crash:
    """An accident: try again, unless there were too many."""

    sentence: str
    is_hang: bool = False


@dataclass(frozen=True, slots=True)
class HandBack:
    """Back into the queue without blame; `why` chooses the words."""

    why: Ending


@dataclass(frozen=True, slots=True)
class Wait:
    """Back into the queue for a while."""

    reason: str
    delay_seconds: float


@dataclass(frozen=True, slots=True)
class Cancel:
    """End as cancelled."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """Another holds the run now: write nothing."""


Outcome = Finish | Tried | Fail | Crash | HandBack | Wait | Cancel | Drop


class AttemptOver(Exception):
    """Raised where work ends before there is a trainer; carries the outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def after_interruption(ending: Ending) -> Outcome:
    """The outcome of work that was given up before there was a trainer."""
    if ending == "lost":
        return Drop()
    if ending == "cancel":
        return Cancel()
    return Cancel(NOTHING_TO_KEEP) if ending == "keep" else HandBack(ending)


def after_child(said: Said, left: Left, who: str = "trainer") -> Outcome:
    """The outcome of a child's end; what a person or another holder decided outweighs what the child still said."""
    if left.told in ("lost", "cancel", "keep"):
        return after_interruption(left.told)
    if said.exported is not None:
        return Finish(said.exported)
    if said.has_tried:
        return Tried()
    if said.failed is not None:
        return Fail(said.failed.kind, _one_sentence(said.failed.reason))
    if left.told is not None:
        return HandBack(left.told)
    if left.exit_code == EXIT_AT_CAP:
        return Cancel(CAP_BEFORE_FIRST_STEP)
    if left.exit_code == EXIT_GPU_BUSY:
        return Wait(GPU_BUSY, GPU_BUSY_SECONDS)
    if left.told_to_finish and left.exit_code == -FINISH:
        # The signal came before the trainer listened; the next attempt knows the wish from its start.
        return HandBack("keep")
    return _accident(said, left, who)


def _accident(said: Said, left: Left, who: str) -> Fail | Crash:
    where = f" at step {said.step}" if said.step else " before its first step"
    if left.hung_seconds is not None:
        sentence = f"The {who} gave no sign of life for {left.hung_seconds:.0f} s{where}; the log says where it stood."
        return Crash(sentence, is_hang=True)
    if left.exit_code == EXIT_SAVED:
        return Crash(f"The {who} was asked from outside to leave{where}.")
    if left.exit_code >= 0:
        return Crash(f"The {who} left without a result (exit code {left.exit_code}){where}; the log may say more.")
    number = -left.exit_code
    name = f"signal {number} ({_signal_name(number)})"
    if number in _CRASHES:
        return Crash(f"The {who} crashed with {name}{where}; the log says more.")
    if number == signal.SIGKILL and left.oom_kills > 0:
        return Fail("oom_host", f"The kernel ended the {who}{where} because the machine ran out of memory.")
    return Crash(f"The {who} was ended by {name}{where}.")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"


def _one_sentence(reason: str) -> str:
    """One line, never a stack trace: that belongs into the log."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    if not lines or any(line.startswith("Traceback") for line in lines):
        return "Something failed inside the trainer; the log says what."
    return " ".join(lines)[:_REASON_LIMIT]
