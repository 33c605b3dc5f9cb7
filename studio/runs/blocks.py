"""Blocks: what 64 neighbouring steps of a metric come to, written once all of them are there.

A history of 1,000,000 points takes 0.7 s to bucket, on SQLite and on PostgreSQL, and its 15,625 blocks take 0.02 s.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Subquery, case, delete, func, insert, literal, select
from sqlalchemy.orm import Session

from studio.runs.models import Point, PointBlock

BLOCK_STEPS = 64
# A sum of so many values of at most this size stays finite, where a sum of larger ones is an error in PostgreSQL.
_LARGEST_SUMMAND = 1e300


def visible_points(run_id: str, name: str, first: int, last: int) -> Subquery:
    """Step, kind, value and the value as it goes into a sum, of the visible points of these steps.

    They are asked for in order, though sums need none: so PostgreSQL takes the index that begins with run and name,
    also for a run that its statistics do not know yet, where it would read all points of the run by the other one.
    """
    limit = literal(_LARGEST_SUMMAND)
    summand = case((Point.value > limit, limit), (Point.value < -limit, -limit), else_=Point.value)
    return (
        select(Point.step, Point.kind, Point.value, summand.label("summand"))
        .where(Point.run_id == run_id, Point.name == name, Point.superseded.is_(False))
        .where(Point.step >= first, Point.step <= last)
        .order_by(Point.step)
        .subquery()
    )


def seal_blocks(session: Session, run_id: str, points: Iterable[tuple[str, int]]) -> None:
    """Write the blocks that a batch of (name, step) has completed; what comes late opens its block again."""
    spans: dict[str, list[int]] = defaultdict(list)
    for name, step in points:
        spans[name].append(step // BLOCK_STEPS)
    for name, begin in _open_from(session, run_id, spans).items():
        blocks = spans[name]
        if min(blocks) < begin:
            _forget(session, run_id, PointBlock.name == name, PointBlock.block >= min(blocks))
            begin = min(blocks)
        if begin < max(blocks):
            _seal(session, run_id, name, begin, max(blocks))


def sealed_until(session: Session, run_id: str, name: str) -> int:
    """The first step of a metric that is not in a block."""
    mine = (PointBlock.run_id == run_id, PointBlock.name == name)
    newest = session.scalar(select(func.max(PointBlock.block)).where(*mine))
    return 0 if newest is None else (newest + 1) * BLOCK_STEPS


def open_blocks(session: Session, run_id: str, step: int) -> None:
    """Forget the blocks that hold anything behind `step`."""
    _forget(session, run_id, PointBlock.block >= (step + 1) // BLOCK_STEPS)


def _open_from(session: Session, run_id: str, spans: dict[str, list[int]]) -> dict[str, int]:
    """The first block of each metric that is not written, where a batch of these blocks may have completed it.

    Most batches complete none: they are done with one look at the ends of the metrics.
    """
    if not spans:
        return {}
    earliest = min(min(blocks) for blocks in spans.values())
    newest = (
        select(PointBlock.name, func.max(PointBlock.block))
        .where(PointBlock.run_id == run_id, PointBlock.name.in_(list(spans)), PointBlock.block >= earliest - 1)
        .group_by(PointBlock.name)
    )
    found = {name: block + 1 for name, block in session.execute(newest)}
    unknown = [name for name, blocks in spans.items() if name not in found and max(blocks) > 0]
    return found | {name: sealed_until(session, run_id, name) // BLOCK_STEPS for name in unknown}


def _forget(session: Session, run_id: str, *which: ColumnElement[bool]) -> None:
    mine = delete(PointBlock).where(PointBlock.run_id == run_id, *which)
    session.execute(mine.execution_options(synchronize_session=False))


def _seal(session: Session, run_id: str, name: str, begin: int, end: int) -> None:
    """Write the blocks from `begin` to before `end`; those without a point have no row."""
    points = visible_points(run_id, name, begin * BLOCK_STEPS, end * BLOCK_STEPS - 1).c
    block = points.step // literal(BLOCK_STEPS)
    columns: dict[Any, Any] = {
        PointBlock.run_id: literal(run_id),
        PointBlock.name: literal(name),
        PointBlock.block: block,
        PointBlock.kind: points.kind,
        PointBlock.count: func.count(),
        PointBlock.total: func.sum(points.summand),
        PointBlock.low: func.min(points.value),
        PointBlock.high: func.max(points.value),
        PointBlock.last_step: func.max(points.step),
    }
    rows = select(*columns.values()).group_by(block, points.kind)
    session.execute(insert(PointBlock).from_select(list(columns), rows))
