"""The protocol that keeps a run one worker's at a time: its conditions and its decisions, without any I/O.

The same code runs in the product (`lease.py`, `worker/`) and in the simulator under `tests/faults`, which gives it a
clock of its own and breaks one rule at a time to show that each of them is needed.
"""

from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import ColumnElement, or_
from sqlalchemy.sql.elements import SQLCoreOperations

from studio.db import database_seconds
from studio.runs.models import Run
from studio.runs.status import ACTIVE, Desired, FailureKind

LEASE_SECONDS = 60.0
RENEW_SECONDS = 10.0
REDISPATCH_SECONDS = 30.0
# A worker that cannot reach the database trains on for this long, then saves and stops.
AWAY_SECONDS = 30 * 60.0
# Attempts in a row that ended without a new checkpoint; the run fails with the last of them.
MAX_IDLE_ATTEMPTS = 3
# How long a run waits before its next attempt, by how many idle ones it has had. The first is an accident most of the
# time, and a person is waiting; so it is tried again at once.
_BACK_OFF_SECONDS = (0.0, 0.0, 10.0)

Verdict = Literal["go_on", "cancel", "pause", "keep", "lost", "leave"]


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim on a run; `epoch` is what makes it this claim and no other."""

    run_id: str
    epoch: int
    owner: str


@dataclass(frozen=True)
class Rules:
    """The conditions under which a row may be written; `now` is the database's clock, in Unix seconds."""

    now: SQLCoreOperations[float] = field(default_factory=database_seconds)

    def ready(self) -> ColumnElement[bool]:
        """Waiting, wanted, and not backing off."""
        return (Run.status == "queued") & Run.desired.in_(("run", "keep")) & (Run.not_before <= self.now)

    def claimable(self, run_id: str) -> ColumnElement[bool]:
        """What a claim's UPDATE compares and sets: a second claim finds the run no longer ready."""
        return (Run.id == run_id) & self.ready()

    def held(self, lease: Lease) -> ColumnElement[bool]:
        """The fence: the claim is the latest one, and the run is not over."""
        return (Run.id == lease.run_id) & (Run.epoch == lease.epoch) & Run.status.in_(ACTIVE)

    def silent(self, dead_owners: tuple[str, ...] = ()) -> ColumnElement[bool]:
        """The lease has run out, or its owner is known to be gone."""
        return Run.status.in_(ACTIVE) & or_(Run.lease_until < self.now, Run.owner.in_(dead_owners))

    def due(self) -> ColumnElement[bool]:
        """Ready, and no hint was sent for a while: the row is the outbox."""
        unsent = or_(Run.dispatched_at.is_(None), Run.dispatched_at < self.now - REDISPATCH_SECONDS)
        return self.ready() & unsent


RULES = Rules()


@dataclass(frozen=True, slots=True)
class Crash:
    """What is known when an attempt ends without a result."""

    desired: Desired
    progressed: bool
    idle_attempts: int
    hangs: int
    sentence: str
    is_hang: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """The run goes back into the queue."""

    delay_seconds: float
    idle_attempts: int
    hangs: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The run ends here."""

    status: Literal["failed", "cancelled"]
    kind: FailureKind | None = None
    reason: str = ""


def after_crash(crash: Crash) -> Retry | GiveUp:
    """Try again, unless a person has cancelled, the trainer hung twice, or nothing new came of three attempts."""
    if crash.desired == "cancel":
        return GiveUp("cancelled")
    idle = 0 if crash.progressed else crash.idle_attempts + 1
    hangs = crash.hangs + crash.is_hang
    if hangs > 1:
        return GiveUp("failed", "timeout", crash.sentence)
    if idle >= MAX_IDLE_ATTEMPTS:
        return GiveUp("failed", "crash_loop", f"{crash.sentence} That was the third time in a row.")
    return Retry(_BACK_OFF_SECONDS[idle], idle, hangs)


def has_progressed(checkpoint_step: int | None, claimed_step: int | None) -> bool:
    """Whether an attempt has committed a checkpoint behind the one that it began from."""
    return checkpoint_step is not None and (claimed_step is None or checkpoint_step > claimed_step)


class Holder:
    """What the holder of a lease knows and therefore does; `now` is its own monotonic clock, in seconds."""

    def __init__(self, now: float) -> None:
        self._heard_at = self._renewed_at = now
        self._desired: Desired = "run"
        self._is_lost = False

    def hear(self, desired: Desired, now: float) -> None:
        """The database answered and the lease holds."""
        self._desired, self._heard_at = desired, now

    def renewed(self, now: float) -> None:
        """The lease was renewed."""
        self._heard_at = self._renewed_at = now

    def refused(self) -> None:
        """The fence let a write not pass: another holds the run, or it is over."""
        self._is_lost = True

    def must_renew(self, now: float) -> bool:
        """Whether it is time again."""
        return now - self._renewed_at >= RENEW_SECONDS

    def verdict(self, now: float) -> Verdict:
        """Losing the database is no reason to stop, for every visible write is fenced; losing the run is."""
        if self._is_lost:
            return "lost"
        if self._desired != "run":
            return self._desired
        return "leave" if now - self._heard_at >= AWAY_SECONDS else "go_on"


class ReapGrace:
    """How long a reaper holds back, so that holders can renew first; `now` is its own monotonic clock, in seconds."""

    def __init__(self, now: float, seconds: float = LEASE_SECONDS) -> None:
        self._seconds = seconds
        self.begin(now)

    def begin(self, now: float) -> None:
        """At a reaper's start, and whenever the database did not answer it."""
        self._until = now + self._seconds

    def is_over(self, now: float) -> bool:
        """Whether a lease that has run out means that its holder is silent."""
        return now >= self._until
