"""Follows one child to its end: records what it says, passes on what the person desires, notices when it hangs."""

import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

from studio.budget.capping import Cap
from studio.runs import Event
from studio.runs.folders import EVENTS_FILE
from worker.attempt import EventTail, Said, count_oom_kills
from worker.keeper import Ending, Keeper, Verdict
from worker.outcome import AttemptOver, Left, after_interruption
from worker.signals import DUMP_STACKS, EXIT_SAVED, FINISH, SAVE_AND_LEAVE
from worker.start import Child, end_group, tell
from worker.watchdog import Watchdog
from worker.writer import Writer

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05
BATCH_SECONDS = 0.2
# Of the 60 s in which a stopping worker is gone; the rest is for the last writes.
SAVE_SECONDS = 50.0
DUMP_SECONDS = 1.0
# What a trainer that was told at the cap has for its last step; exporting is not cut, for it is what is paid for.
CAP_GRACE_SECONDS = 60.0
TOGETHER_SECONDS = 0.5


@dataclass(slots=True)
class Attempt:
    """What the followers of one attempt share: its folder, its writer, and what its children have said so far."""

    run_id: str
    folder: Path
    keeper: Keeper
    writer: Writer
    watchdog_seconds: float
    tail: EventTail
    said: Said = field(default_factory=Said)
    can_keep: bool = False
    """Whether there is a checkpoint to make an adapter of."""
    total_steps: int = 0
    cap: Cap | None = None
    ends_at: float | None = None
    """When the cap is reached, by the monotonic clock."""
    only_closes: bool = False
    """Whether the cap was spent before, so that there is only something to keep."""

    def beyond_cap(self) -> float:
        """Seconds since the cap was reached; negative before it, and without one."""
        return -math.inf if self.ends_at is None else time.monotonic() - self.ends_at

    def verdict(self) -> Verdict:
        """As the keeper's; the wish to keep the best ends nothing while there is something to keep."""
        verdict = self.keeper.verdict()
        return "go_on" if verdict == "keep" and self.can_keep else verdict

    def check(self) -> None:
        """Raise AttemptOver when the work before a trainer shall end."""
        verdict = self.verdict()
        if verdict != "go_on":
            raise AttemptOver(after_interruption(verdict))
        if self.beyond_cap() >= 0:
            raise AttemptOver(after_interruption("cap"))


class Follower:
    """Follows one child; `saves` and `finishes` say which signals it understands, others end it at once."""

    def __init__(
        self, attempt: Attempt, child: Child, who: str, *, saves: bool = False, finishes: bool = False
    ) -> None:
        self._attempt = attempt
        self._child = child
        self._who = who
        self._saves = saves
        self._finishes = finishes
        self._told: Ending | None = None
        self._told_at = 0.0
        self._told_to_finish = False
        self._hung_seconds: float | None = None
        self._read_at = 0.0
        self._watchdog = Watchdog(attempt.folder / EVENTS_FILE, attempt.watchdog_seconds, time.monotonic())

    def follow(self) -> Left:
        """Until the child is gone, with all it started; raises LeaseLost and Unwritten, also then it is gone."""
        run_id, pid, oom_kills = self._attempt.run_id, self._child.pid, count_oom_kills()
        log.info("%s: the %s is process %d", run_id, self._who, pid)
        try:
            while (exit_code := self._child.wait(POLL_SECONDS)) is None:
                self._pass_on()
                self._heed_cap()
                self._look_after()
                self._ship()
        finally:
            end_group(self._child)
        if exit_code == EXIT_SAVED and self._told is None and self._attempt.keeper.is_worker_stopping(TOGETHER_SECONDS):
            # Whoever stops the worker has told its trainer too.
            self._told = "stopped"
        if exit_code == -FINISH and self._told is None and self._attempt.beyond_cap() >= 0:
            # The signal came before the trainer listened.
            self._told = "cap"
        left = Left(exit_code, self._told, self._told_to_finish, self._hung_seconds, count_oom_kills() - oom_kills)
        log.info("%s: the %s, process %d, is gone: %s", run_id, self._who, pid, left)
        if self._told != "lost":
            self._ship_the_rest()
        return left

    def _pass_on(self) -> None:
        """Tell the child what the person, the worker or the fence wants, each thing once; minds may change."""
        verdict = self._attempt.keeper.verdict() if self._finishes else self._attempt.verdict()
        if verdict == "go_on":
            return
        if verdict == "keep" and self._finishes:
            if not self._told_to_finish and self._told is None:
                self._told_to_finish = True
                self._say("finish and keep the best", FINISH)
            return
        if verdict in ("cancel", "lost", "keep") or not self._saves:
            self._told = verdict
            log.info("%s: process %d is ended: %s", self._attempt.run_id, self._child.pid, verdict)
            end_group(self._child)
        elif self._told is None:
            self._told, self._told_at = verdict, time.monotonic()
            self._say(f"save and leave ({verdict})", SAVE_AND_LEAVE)

    def _heed_cap(self) -> None:
        """A trainer ends in time by itself; what does not, as a step that hangs or an endless download, is ended."""
        beyond = self._attempt.beyond_cap()
        if beyond < 0 or self._told is not None:
            return
        if self._finishes and not self._told_to_finish:
            self._told_to_finish = True
            self._say("finish, the cap is reached", FINISH)
        elif not self._finishes or (beyond >= CAP_GRACE_SECONDS and self._attempt.said.phase != "exporting"):
            self._told = "cap"
            log.warning("%s: process %d is ended: the cap is reached", self._attempt.run_id, self._child.pid)
            end_group(self._child)

    def _look_after(self) -> None:
        """End a child that does not leave in time, or that hangs; a hung one writes first where it stands."""
        now = time.monotonic()
        if self._told is not None:
            if now - self._told_at >= SAVE_SECONDS:
                log.warning("%s: process %d did not leave in time", self._attempt.run_id, self._child.pid)
                end_group(self._child)
        elif self._watchdog.is_hung(now):
            self._hung_seconds = self._watchdog.silent_for(now)
            self._say(f"dump the stacks, silent for {self._hung_seconds:.0f} s", DUMP_STACKS)
            self._child.wait(DUMP_SECONDS)
            end_group(self._child)

    def _say(self, words: str, number: int) -> None:
        log.info("%s: process %d is told: %s", self._attempt.run_id, self._child.pid, words)
        tell(self._child, number)

    def _ship(self) -> None:
        """Write what was said since; nothing is read on while the database is away."""
        if time.monotonic() - self._read_at < BATCH_SECONDS or not self._attempt.writer.offer([]):
            return
        events = self._read()
        self._read_at = time.monotonic()
        self._attempt.writer.offer(events)

    def _ship_the_rest(self) -> None:
        while events := self._read():
            self._attempt.writer.offer(events)
            self._attempt.writer.finish()
        self._attempt.writer.finish()

    def _read(self) -> list[Event]:
        events = self._attempt.tail.read()
        self._attempt.said.hear(events)
        self._watchdog.hear(events, time.monotonic())
        return events
