"""What truly happened in a schedule, written down beside the database, and the judgement over its end."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio.adapters import Adapter
from studio.runs import MAX_IDLE_ATTEMPTS, TERMINAL, Checkpoint, Event, Lease, Point, Run, RunEvent
from studio.runs.events import Checkpointed
from studio.runs.following import read_new_points, read_standing
from tests.faults.simulator.disk import Disk, Saved
from tests.faults.simulator.trainer import EVALUATE_STEPS, TOTAL_STEPS


@dataclass
class Account:
    """One run's truth: what people asked for with success, and what its attempts came to."""

    wishes: set[str] = field(default_factory=set)
    idle_crashes: int = 0
    hangs: int = 0
    has_progressed: bool = False
    had_nothing_to_keep: bool = False
    seen: set[tuple[int, str, int]] = field(default_factory=set)
    seen_seq: int = 0

    def crashed(self, *, is_hang: bool = False) -> None:
        """An attempt ended without a result."""
        self.idle_crashes = 0 if self.has_progressed else self.idle_crashes + 1
        self.hangs += is_hang


class Ledger:
    """Everything that the judgement needs and that the database could be wrong about."""

    def __init__(self) -> None:
        self.accounts: defaultdict[str, Account] = defaultdict(Account)
        self.faults: Counter[str] = Counter()
        self.claims = 0
        self.zombie_overlaps = 0
        self.wrong: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()

    def claimed(self, lease: Lease, *, was_ready: bool, believers: int) -> None:
        """A claim was committed while `believers` others still believed that they held the run."""
        self.claims += 1
        self.accounts[lease.run_id].has_progressed = False
        self.zombie_overlaps += believers > 0
        if not was_ready:
            self.wrong["a run claimed that was not ready"] += 1

    def recorded(self, run_id: str, batch: list[Event]) -> None:
        """A batch was committed; a checkpoint in it is progress."""
        if any(isinstance(event, Checkpointed) for event in batch):
            account = self.accounts[run_id]
            account.has_progressed = True
            account.idle_crashes = 0

    def watch(self, session: Session, run_id: str) -> None:
        """A viewer's page asks for what is new, as the product's pages do."""
        account = self.accounts[run_id]
        standing = read_standing(session, run_id, after=account.seen_seq)
        assert standing is not None
        if standing.is_rewritten:
            account.seen, account.seen_seq = set(), 0
        points = read_new_points(session, run_id, after=account.seen_seq, upto=standing.newest)
        account.seen |= {(point.seq, point.name, point.step) for point in points}
        account.seen_seq = standing.newest

    def judge(self, session: Session, disk: Disk) -> None:
        """Compare the end with the truth."""
        for run in session.scalars(select(Run).order_by(Run.id)):
            self.watch(session, run.id)
            self.ends["paused" if run.is_paused else run.status] += 1
            for complaint in _Judgement(session, disk, run, self.accounts[run.id]).complaints():
                self.wrong[complaint] += 1


class _Judgement:
    def __init__(self, session: Session, disk: Disk, run: Run, account: Account) -> None:
        self._disk = disk
        self._run = run
        self._account = account
        self._points = session.scalars(select(Point).where(Point.run_id == run.id).order_by(Point.seq)).all()
        self._shown = [point for point in self._points if not point.superseded]
        self._adapters = session.scalars(select(Adapter).where(Adapter.run_id == run.id)).all()
        self._events = session.scalars(select(RunEvent).where(RunEvent.run_id == run.id)).all()
        pointer = (run.id, run.checkpoint_epoch, run.checkpoint_step)
        self._checkpoint = None if run.checkpoint_step is None else session.get(Checkpoint, pointer)

    def complaints(self) -> list[str]:
        found = [self._status(), self._adapter(), self._curve(), self._pointer(), self._numbers(), self._viewer()]
        return [complaint for complaint in found if complaint]

    def _status(self) -> str:
        """The end must be the one that people's wishes and the accidents allow."""
        run, account = self._run, self._account
        if run.is_paused:
            return "" if "pause" in account.wishes else "paused without a wish"
        if run.status not in TERMINAL:
            return "stuck for ever"
        if [event.kind for event in self._events if event.kind in TERMINAL] != [run.status]:
            return "not exactly one event of its end"
        if run.status == "cancelled":
            return "" if "cancel" in account.wishes or account.had_nothing_to_keep else "cancelled without a wish"
        if "cancel" in account.wishes:
            return f"{run.status} after it was cancelled"
        if run.status == "failed":
            reasons = {"crash_loop": account.idle_crashes == MAX_IDLE_ATTEMPTS, "timeout": account.hangs == 2}
            return "" if reasons.get(str(run.failure_kind)) else f"failed as {run.failure_kind} without a reason"
        return ""

    def _adapter(self) -> str:
        expected = 1 if self._run.status == "succeeded" else 0
        if len(self._adapters) != expected:
            return f"{len(self._adapters)} adapters of a run that is {self._run.status}"
        if expected and self._adapters[0].storage_key not in self._disk.archives:
            return "an adapter without its archive"
        return ""

    def _curve(self) -> str:
        """What is shown is the chain that the adapter came from: nothing lost, doubled or of another attempt."""
        state = self._state()
        if state is None:
            return ""
        expected = _curve_of(state)
        shown = [(point.name, point.step, point.value) for point in self._shown]
        if not self._adapters:
            # Behind the checkpoint lies what the next attempt will supersede, as does an evaluation made up for.
            names = {point[:2] for point in expected}
            shown = [point for point in shown if point[:2] in names]
        if len({point[:2] for point in shown}) < len(shown):
            return "points doubled"
        if {point[:2] for point in expected} - {point[:2] for point in shown}:
            return "points lost"
        return "" if set(shown) == expected else "a curve that is not of this adapter"

    def _state(self) -> Saved | None:
        if self._adapters:
            return self._disk.archives.get(self._adapters[0].storage_key)
        return self._disk.committed(self._checkpoint) if self._checkpoint else None

    def _pointer(self) -> str:
        if self._run.checkpoint_step is not None and self._checkpoint is None:
            return "a pointer to no checkpoint"
        is_short = self._run.status == "succeeded" and self._adapters and self._adapters[0].step < TOTAL_STEPS
        return "stopped early without a wish" if is_short and "keep" not in self._account.wishes else ""

    def _numbers(self) -> str:
        numbers = [point.seq for point in self._points] + [event.seq for event in self._events]
        is_sound = len(set(numbers)) == len(numbers) and max(numbers, default=0) < self._run.next_seq
        return "" if is_sound else "sequence numbers doubled"

    def _viewer(self) -> str:
        shown = {(point.seq, point.name, point.step) for point in self._shown}
        return "" if shown == self._account.seen else "a viewer's chart that is not what is stored"


def _curve_of(state: Saved) -> set[tuple[str, int, float | None]]:
    """Every point of a training that has come so far; the evaluation of the last step may be pending."""
    points: set[tuple[str, int, float | None]] = {
        ("train/loss", step, value) for step, value in enumerate(state.chain, 1)
    }
    for step in range(EVALUATE_STEPS, state.step + state.is_evaluated, EVALUATE_STEPS):
        points.add(("eval/loss", step, -state.chain[step - 1]))
    return points
