"""Databases that go away while a run is supervised: nothing is killed, nothing is lost."""

from sqlalchemy.exc import OperationalError

from studio import runs
from studio.db import SessionFactory, reading
from tests.worker.benches import MakeRun, claim, on_sqlite, read, with_
from worker.bench import Bench
from worker.supervise import supervise


@on_sqlite
def test_a_database_that_is_away_for_a_moment_loses_nothing(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    lease = claim(bench)
    away = _Away(bench.session_factory, calls=range(3, 6))

    supervise(with_(bench, session_factory=away), lease)

    ended = read(bench, run.id)
    with reading(bench.session_factory) as session:
        steps = [point.step for point in runs.read_series(session, ended, "train/loss")]
    assert away.calls_made > 6
    assert (ended.status, steps) == ("succeeded", [1, 2, 3])


class _Away:
    """Sessions of a database that does not answer some of the calls."""

    def __init__(self, session_factory: SessionFactory, calls: range) -> None:
        self._session_factory = session_factory
        self._calls = calls
        self.calls_made = 0

    def __call__(self) -> object:
        self.calls_made += 1
        if self.calls_made in self._calls:
            raise OperationalError("SELECT 1", {}, Exception("the server closed the connection"))
        return self._session_factory()
