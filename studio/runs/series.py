"""Histories of metrics, never more points than a chart has pixels for."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from studio.runs.models import Point, Run

MAX_POINTS = 2000


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One point, or a bucket of neighbours: `low` and `high` keep its spikes."""

    step: int
    value: float | None
    low: float | None
    high: float | None
    kind: str


def series_names(session: Session, run: Run) -> list[str]:
    """The metrics that the run has measured."""
    rows = select(Point.name).where(Point.run_id == run.id, Point.superseded.is_(False)).distinct()
    return sorted(session.scalars(rows))


def read_series(
    session: Session,
    run: Run,
    name: str,
    *,
    first_step: int = 0,
    last_step: int | None = None,
    max_points: int = MAX_POINTS,
) -> list[SeriesPoint]:
    """One metric's history, bucketed to at most `max_points` once there are more."""
    mine: tuple[ColumnElement[bool], ...] = (
        Point.run_id == run.id,
        Point.name == name,
        Point.superseded.is_(False),
        Point.step >= first_step,
    )
    if last_step is not None:
        mine = (*mine, Point.step <= last_step)
    count, low, high = session.execute(
        select(func.count(), func.min(Point.step), func.max(Point.step)).where(*mine)
    ).one()
    if count <= max_points:
        rows = session.execute(select(Point.step, Point.value, Point.kind).where(*mine).order_by(Point.step))
        return [SeriesPoint(step, value, value, value, kind) for step, value, kind in rows]
    width = (high - low) // max_points + 1
    bucket = (Point.step - low) // width
    rows_in_buckets = session.execute(
        select(
            func.max(Point.step),
            func.avg(Point.value),
            func.min(Point.value),
            func.max(Point.value),
            func.max(Point.kind),
        )
        .where(*mine)
        .group_by(bucket)
        .order_by(bucket)
    )
    # Of the kinds, "num" sorts last: a bucket that holds any number shows it.
    return [SeriesPoint(*row) for row in rows_in_buckets]
