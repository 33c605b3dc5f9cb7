"""Rows that a test writes as a worker would, and what every page test says."""

from studio.db import SessionFactory, transaction
from studio.runs import Point, Run

HOSTILE = "<script>alert(1)</script>"
HTMX = {"HX-Request": "true"}


def set_run(session_factory: SessionFactory, run: Run, **values: object) -> None:
    """Write columns of a run, as a worker would."""
    with transaction(session_factory) as session:
        stored = session.get_one(Run, run.id)
        for name, value in values.items():
            setattr(stored, name, value)


def add_points(session_factory: SessionFactory, run: Run, points: list[tuple[str, int, float | None, str]]) -> None:
    """Write points of the first attempt."""
    with transaction(session_factory) as session:
        for seq, (name, step, value, kind) in enumerate(points):
            session.add(Point(run_id=run.id, name=name, step=step, epoch=1, value=value, kind=kind, seq=seq + 10))
