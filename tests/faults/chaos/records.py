"""What a studio has on record, read past it: rows, events and files of its runs."""

from collections.abc import Callable

from sqlalchemy import func, select

from studio import runs
from studio.db import make_engine, make_session_factory, reading
from studio.runs import Point, Run, RunEvent
from studio.settings import Settings
from studio.storage import LocalStorage
from tests.faults.chaos.processes import TooLate, await_that

RUN_SECONDS = 240.0
_COLUMNS = "status desired epoch attempt owner phase step claimed_step checkpoint_step idle_attempts"


class Records:
    """The database and the files of one studio."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._engine = make_engine(settings.sqlalchemy_url)
        self.session_factory = make_session_factory(self._engine)
        self.storage = LocalStorage(settings.storage_dir)

    def read(self, run_id: str) -> Run:
        """The run's row now."""
        with reading(self.session_factory) as session:
            return session.get_one(Run, run_id)

    def run_ids(self) -> set[str]:
        """All runs."""
        with reading(self.session_factory) as session:
            return set(session.scalars(select(Run.id)))

    def events(self, run_id: str) -> list[RunEvent]:
        """What happened to it, oldest first."""
        with reading(self.session_factory) as session:
            return runs.read_events(session, session.get_one(Run, run_id))

    def when(self, run_id: str, kind: str, *, after: float = 0.0) -> float | None:
        """When an event of that kind was first written after an instant, in Unix seconds."""
        times = [event.at.timestamp() for event in self.events(run_id) if event.kind == kind]
        return min((at for at in times if at >= after), default=None)

    def measured_after(self, run_id: str, epoch: int) -> bool:
        """Whether an attempt later than `epoch` has measured anything."""
        later = select(func.count()).select_from(Point).where(Point.run_id == run_id, Point.epoch > epoch)
        with reading(self.session_factory) as session:
            return bool(session.scalar(later))

    def rows_of(self, run_id: str, epoch: int) -> int:
        """How many points and events an attempt has written."""
        with reading(self.session_factory) as session:
            return sum(
                session.scalar(
                    select(func.count()).select_from(table).where(table.run_id == run_id, table.epoch == epoch)
                )
                or 0
                for table in (Point, RunEvent)
            )

    def await_run(self, run_id: str, ready: Callable[[Run], bool], what: str, seconds: float = RUN_SECONDS) -> Run:
        """Poll the run's row until it is as wanted; the row as it is otherwise is told."""
        try:
            return await_that(lambda: run if ready(run := self.read(run_id)) else None, seconds, what)
        except TooLate as error:
            raise AssertionError(f"{error}\n{self.describe(run_id)}") from error

    def await_metric(self, run_id: str, epoch: int, seconds: float = RUN_SECONDS) -> Run:
        """Wait until an attempt later than `epoch` has measured something, or the run is over."""
        what = f"a metric after attempt {epoch}"
        return self.await_run(run_id, lambda run: run.is_over or self.measured_after(run_id, epoch), what, seconds)

    def await_over(self, run_id: str, seconds: float = RUN_SECONDS) -> Run:
        """Wait for a terminal status."""
        return self.await_run(run_id, lambda run: run.is_over, "the run is over", seconds)

    def describe(self, run_id: str) -> str:
        """Everything that helps to see why a run is not where it should be."""
        run = self.read(run_id)
        lines = [" ".join(f"{name}={getattr(run, name)}" for name in _COLUMNS.split())]
        lines += [f"{event.at:%H:%M:%S} {event.epoch} {event.kind}: {event.message}" for event in self.events(run_id)]
        for log in sorted(self.settings.logs_dir.glob("worker*.log")):
            lines += [f"-- {log.name}", *log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]]
        lines += ["-- trainer.log", runs.read_log(self.settings.runs_dir, run_id, run.epoch)[-2000:]]
        return "\n".join(lines)

    def dispose(self) -> None:
        """Close the connections."""
        self._engine.dispose()
