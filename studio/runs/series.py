"""Histories of metrics, never more points than a chart has pixels for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.orm import Session

from studio.runs.blocks import BLOCK_STEPS, sealed_until, visible_points
from studio.runs.models import Point, PointBlock, Run

MAX_POINTS = 2000
# Over more steps than these, buckets are made of blocks; so many points take 0.04 s.
_LONG_STEPS = 50_000
# One point of so many is left to those that are not finite: they are in no bucket, or a spike of NaN were hidden.
_ODD_SHARE = 20


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One point, or a bucket of neighbours: `low` and `high` keep its spikes."""

    step: int
    value: float | None
    low: float | None
    high: float | None
    kind: str


@dataclass(frozen=True, slots=True)
class _Buckets:
    """Buckets of `width` steps, the first of which begins at the step `origin`, of one metric of a run."""

    run_id: str
    name: str
    origin: int
    width: int

    def of_points(self, session: Session, first: int, last: int) -> list[Any]:
        """Rows of (bucket, kind, count, total, low, high, last step), from the points of these steps."""
        if first > last:
            return []
        points = visible_points(self.run_id, self.name, first, last).c
        bucket = (points.step - literal(self.origin)) // literal(self.width)
        measured = (func.sum(points.summand), func.min(points.value), func.max(points.value), func.max(points.step))
        return list(session.execute(select(bucket, points.kind, func.count(), *measured).group_by(bucket, points.kind)))

    def of_blocks(self, session: Session, first: int, last: int) -> list[Any]:
        """The same from the blocks that begin and end within these steps."""
        bucket = (PointBlock.block * literal(BLOCK_STEPS) - literal(self.origin)) // literal(self.width)
        measured = (func.sum(PointBlock.total), func.min(PointBlock.low), func.max(PointBlock.high))
        rows = (
            select(bucket, PointBlock.kind, func.sum(PointBlock.count), *measured, func.max(PointBlock.last_step))
            .where(PointBlock.run_id == self.run_id, PointBlock.name == self.name)
            .where(PointBlock.block >= first // BLOCK_STEPS, PointBlock.block <= last // BLOCK_STEPS)
            .group_by(bucket, PointBlock.kind)
        )
        return list(session.execute(rows))


def series_names(session: Session, run: Run) -> list[str]:
    """The metrics that the run has measured; one look into the index for each of them."""
    found: list[str] = []
    mine = (Point.run_id == run.id, Point.superseded.is_(False))
    following = select(Point.name).where(*mine).order_by(Point.name).limit(1)
    while (name := session.scalar(following.where(Point.name > found[-1]) if found else following)) is not None:
        found.append(name)
    return found


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
    wanted = [Point.run_id == run.id, Point.name == name, Point.superseded.is_(False), Point.step >= first_step]
    if last_step is not None:
        wanted.append(Point.step <= last_step)
    steps = select(Point.step).where(*wanted)
    if session.scalar(steps.order_by(Point.step).offset(max_points).limit(1)) is None:
        rows = session.execute(select(Point.step, Point.value, Point.kind).where(*wanted).order_by(Point.step))
        return [SeriesPoint(step, value, value, value, kind) for step, value, kind in rows]
    first = session.scalars(steps.order_by(Point.step).limit(1)).one()
    last = session.scalars(steps.order_by(Point.step.desc()).limit(1)).one()
    rows_of_buckets = _read_buckets(session, run.id, name, first, last, max_points - max_points // _ODD_SHARE)
    return _shown(rows_of_buckets, max_points)


def _read_buckets(session: Session, run_id: str, name: str, first: int, last: int, count: int) -> list[Any]:
    """Rows of at most `count` buckets for each kind; a bucket may come in two parts where its blocks begin or end."""
    span = last - first + 1
    whole = range(-(-first // BLOCK_STEPS) * BLOCK_STEPS, min(sealed_until(session, run_id, name), last + 1))
    if span <= _LONG_STEPS or len(whole) < BLOCK_STEPS:
        return _Buckets(run_id, name, first, -(-span // count)).of_points(session, first, last)
    begin, end = whole.start, whole.stop // BLOCK_STEPS * BLOCK_STEPS
    origin = begin - BLOCK_STEPS
    width = -(-(last - origin + 1) // (count * BLOCK_STEPS)) * BLOCK_STEPS
    buckets = _Buckets(run_id, name, origin, width)
    return [
        *buckets.of_points(session, first, begin - 1),
        *buckets.of_blocks(session, begin, end - 1),
        *buckets.of_points(session, end, last),
    ]


def _shown(rows: Sequence[Any], max_points: int) -> list[SeriesPoint]:
    """Join the parts of buckets; of the odd ones the last are shown, for a run ends where it is not finite."""
    parts: dict[tuple[int, str], list[Any]] = {}
    for bucket, kind, *rest in rows:
        parts.setdefault((bucket, kind), []).append(rest)
    points = sorted((_join(kind, found) for (_, kind), found in parts.items()), key=lambda point: point.step)
    numbers = [point for point in points if point.kind == "num"]
    odd = [point for point in points if point.kind != "num"]
    shown = numbers + odd[max(0, len(odd) + len(numbers) - max_points) :]
    return sorted(shown, key=lambda point: point.step)


def _join(kind: str, parts: Sequence[Any]) -> SeriesPoint:
    counts, totals, lows, highs, steps = zip(*parts, strict=True)
    if kind != "num":
        return SeriesPoint(max(steps), None, None, None, kind)
    return SeriesPoint(max(steps), sum(totals) / float(sum(counts)), min(lows), max(highs), kind)
