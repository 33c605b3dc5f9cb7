"""The oracle: what every run came to, against what it should have come to, as Jepsen's total-queue counts it."""

import zipfile
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from studio import adapters, house, runs
from studio.adapters import Adapter
from studio.db import reading
from studio.runs import Checkpoint, Damaged, Point, Run, RunSpec, SampleAnswer
from studio.storage import sha256_of
from tests.faults.chaos.home import Home
from tests.faults.chaos.records import Records

# The only metric that measures the clock and not the model.
_OF_THE_CLOCK = "train/tokens_per_second"
WEIGHTS_FILE = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Trajectory:
    """All that a run computed, bit by bit: points and answers that are shown, and the hash of its weights."""

    points: dict[tuple[str, int], str]
    answers: dict[tuple[int, int], str]
    weights_sha256: str | None
    adapter_step: int | None


@dataclass(slots=True)
class Entry:
    """A run that was launched, the status it should end in, and the faults that hit it."""

    run_id: str
    wanted: str
    like: Trajectory | None
    faults: int = 0


@dataclass(slots=True)
class Count:
    """The ledger's line: all but `recovered` and `undisturbed` must be 0."""

    lost: int = 0
    duplicated: int = 0
    unexpected: int = 0
    recovered: int = 0
    undisturbed: int = 0
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For a report."""
        names = ("lost", "duplicated", "unexpected", "recovered", "undisturbed", "problems")
        return {name: getattr(self, name) for name in names}


class Ledger:
    """Keeps account of every run of a studio."""

    def __init__(self, home: Home, trajectories: dict[str, Trajectory] | None = None) -> None:
        self._home = home
        self._entries: dict[str, Entry] = {}
        self._before = home.run_ids()
        self._trajectories = {} if trajectories is None else trajectories

    def undisturbed(self, spec: RunSpec | None = None) -> Trajectory:
        """What a run of this spec computes when nothing happens to it; trained once."""
        spec = spec or self._home.spec()
        key = spec.model_dump_json()
        if key not in self._trajectories:
            run_id = self._home.launch(spec, name="Undisturbed")
            run = self._home.await_over(run_id)
            assert (run.status, run.attempt) == ("succeeded", 1), self._home.describe(run_id)
            self._trajectories[key] = trajectory(self._home, run_id)
            self._entries[run_id] = Entry(run_id, "succeeded", None)
        return self._trajectories[key]

    def launch(self, spec: RunSpec | None = None, *, name: str = "Chaos", like: Trajectory | None = None) -> str:
        """Launch a run that shall end as an undisturbed one does."""
        like = like or self.undisturbed(spec)
        run_id = self._home.launch(spec, name=name)
        self._entries[run_id] = Entry(run_id, "succeeded", like)
        return run_id

    def hit(self, run_id: str) -> None:
        """A fault has hit the run."""
        self._entries[run_id].faults += 1

    def expect(self, run_id: str, status: str, *, like: Trajectory | None = None) -> None:
        """The run shall end otherwise; `like` is None when its numbers depend on the instant."""
        self._entries.setdefault(run_id, Entry(run_id, status, like))
        self._entries[run_id].wanted = status
        self._entries[run_id].like = like

    def count(self) -> Count:
        """Close the books: wait for every run, then compare each with what it should be."""
        count = Count()
        for entry in self._entries.values():
            run = self._home.await_over(entry.run_id)
            self._enter(entry, run, count)
        known = self._home.run_ids() - self._before
        for run_id in known - set(self._entries):
            _blame(count, "unexpected", f"{run_id} was not launched by anyone")
        for run_id in set(self._entries) - known:
            _blame(count, "lost", f"{run_id} has no row")
        self._count_archives(count)
        for finding in house.examine(house.House(self._home.settings, self._home.session_factory, self._home.storage)):
            _blame(count, "unexpected", f"fsck: {finding.sentence}")
        return count

    def _enter(self, entry: Entry, run: Run, count: Count) -> None:
        if judge(self._home, run, entry.wanted, entry.like, count):
            count.recovered += bool(entry.faults)
            count.undisturbed += not entry.faults

    def _count_archives(self, count: Count) -> None:
        """Archives without a row: what a worker stored and could not register must be gone again."""
        with reading(self._home.session_factory) as session:
            keys = set(session.scalars(select(Adapter.storage_key)))
        root = self._home.settings.storage_dir
        stored = {str(path.relative_to(root)) for path in (root / "adapters").glob("*/*") if path.is_file()}
        for key in stored ^ keys:
            _blame(count, "unexpected", f"{key} is only {'on the disk' if key in stored else 'in the table'}")


def judge(home: Records, run: Run, wanted: str, like: Trajectory | None, count: Count) -> bool:
    """Count what is wrong with a run that is over; whether nothing is."""
    before = len(count.problems)
    if run.status != wanted:
        kind = "lost" if wanted == "succeeded" else "unexpected"
        _blame(count, kind, f"{run.id} is {run.status}, not {wanted}\n{home.describe(run.id)}")
    for kind, problem in [*_artefacts(home, run), *_records(home, run)]:
        _blame(count, kind, f"{run.id}: {problem}")
    if run.status == "succeeded" == wanted and like is not None:
        for problem in differences(like, trajectory(home, run.id)):
            _blame(count, "unexpected", f"{run.id}: {problem}")
    return len(count.problems) == before


def trajectory(home: Records, run_id: str) -> Trajectory:
    """Read what a run computed."""
    with reading(home.session_factory) as session:
        run = session.get_one(Run, run_id)
        shown = (Point.run_id == run_id, Point.superseded.is_(False), Point.name != _OF_THE_CLOCK)
        points = session.execute(select(Point.name, Point.step, Point.value, Point.kind).where(*shown)).all()
        answers = runs.read_answers(session, run)
        adapter = adapters.adapter_of_run(session, run)
    return Trajectory(
        points={(name, step): kind if value is None else value.hex() for name, step, value, kind in points},
        answers={(answer.step, answer.position): answer.answer for answer in answers},
        weights_sha256=_weights(adapter),
        adapter_step=adapter.step if adapter else None,
    )


def differences(wanted: Trajectory, got: Trajectory) -> list[str]:
    """In words, what differs."""
    found = []
    for what in ("points", "answers"):
        before, after = getattr(wanted, what), getattr(got, what)
        found += [
            f"{what} {key}: {before.get(key)} undisturbed, {after.get(key)} here"
            for key in sorted(before.keys() | after.keys())
            if before.get(key) != after.get(key)
        ]
    found += [
        f"{what}: {getattr(wanted, what)} undisturbed, {getattr(got, what)} here"
        for what in ("weights_sha256", "adapter_step")
        if getattr(wanted, what) != getattr(got, what)
    ]
    return found


def _weights(adapter: Adapter | None) -> str | None:
    if adapter is None:
        return None
    return next(str(file["sha256"]) for file in adapter.files if file["name"] == WEIGHTS_FILE)


def _artefacts(home: Records, run: Run) -> list[tuple[str, str]]:
    """One whole archive for a success and none for any other end; committed checkpoints verify."""
    found = []
    with reading(home.session_factory) as session:
        made = list(session.scalars(select(Adapter).where(Adapter.run_id == run.id)))
        kept = list(session.scalars(select(Checkpoint).where(Checkpoint.run_id == run.id)))
    if run.status == "succeeded" and len(made) != 1:
        found.append(("lost" if not made else "duplicated", f"{len(made)} adapters"))
    if run.status != "succeeded" and made:
        found.append(("unexpected", f"an adapter of a run that is {run.status}"))
    for adapter in made:
        path = home.storage.path(adapter.storage_key)
        if sha256_of(path) != adapter.sha256 or zipfile.ZipFile(path).testzip():
            found.append(("lost", "the archive is not the one of the row"))
    found += [("lost", problem) for checkpoint in kept if (problem := _damage(home, checkpoint))]
    return found


def _damage(home: Records, checkpoint: Checkpoint) -> str | None:
    """What is wrong with a checkpoint; one whose row is gone by now was removed meanwhile, as is usual."""
    folder = runs.checkpoint_folder(home.settings.runs_dir, checkpoint.run_id, checkpoint.epoch, checkpoint.step)
    try:
        runs.verify_folder(folder, checkpoint.manifest_sha256)
    except Damaged as damage:
        with reading(home.session_factory) as session:
            place = (checkpoint.run_id, checkpoint.epoch, checkpoint.step)
            return f"a checkpoint of the table: {damage.message}" if session.get(Checkpoint, place) else None
    return None


def _records(home: Records, run: Run) -> list[tuple[str, str]]:
    """Each shown (name, step) once, without a gap; numbers of the journal once; each attempt ends once."""
    found = []
    with reading(home.session_factory) as session:
        points = session.execute(
            select(Point.name, Point.step, Point.seq).where(Point.run_id == run.id, Point.superseded.is_(False))
        ).all()
        sequence = list(session.scalars(select(Point.seq).where(Point.run_id == run.id)))
        answers = session.execute(
            select(SampleAnswer.step, SampleAnswer.position).where(
                SampleAnswer.run_id == run.id, SampleAnswer.superseded.is_(False)
            )
        ).all()
    events = home.events(run.id)
    shown = Counter((name, step) for name, step, _ in points)
    numbers = Counter([*sequence, *(event.seq for event in events)])
    twice = [key for counter in (shown, numbers, Counter(answers)) for key, times in counter.items() if times > 1]
    found += [("duplicated", f"{key} is there more than once") for key in twice]
    steps = sorted(step for name, step in shown if name == "train/loss")
    if steps != list(range(1, len(steps) + 1)):
        found.append(("lost", f"train/loss has gaps: {steps}"))
    if run.status == "succeeded" and run.desired == "run" and len(steps) != run.total_steps:
        found.append(("lost", f"train/loss has {len(steps)} of {run.total_steps} steps"))
    ends = Counter(event.kind for event in events if event.kind in runs.TERMINAL)
    if sum(ends.values()) != 1:
        found.append(("duplicated" if ends else "lost", f"ends: {dict(ends)}"))
    claims = Counter(event.epoch for event in events if event.kind == "claimed")
    found += [("duplicated", f"epoch {epoch} was claimed {n} times") for epoch, n in claims.items() if n > 1]
    return found


def _blame(count: Count, kind: str, problem: str) -> None:
    setattr(count, kind, getattr(count, kind) + 1)
    count.problems.append(f"{kind}: {problem}")
