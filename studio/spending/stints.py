"""What was spent: hours that runs held hardware, and dollars at the price of each attempt's start."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, String, and_, case, func, not_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from studio import runs
from studio.actors import Actor
from studio.budget.capping import Spent
from studio.datasets import Dataset, DatasetVersion
from studio.runs import ACTIVE, Run, Stint

By = Literal["month", "dataset", "run", "method", "hardware"]
LINE_COLUMNS = (
    "run_id",
    "run",
    "kind",
    "dataset",
    "method",
    "base_model",
    "status",
    "attempt",
    "began",
    "ended",
    "device",
    "hardware",
    "hours",
    "dollars_per_hour",
    "dollars",
    "hours_saved",
    "dollars_saved",
)
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Total:
    """What one month, dataset, run, method or kind of hardware comes to.

    `dollars` covers the time that had a price, `unpriced_seconds` is the rest. Saved is what early stopping left
    unspent; its dollars are None where no price is known.
    """

    key: str
    label: str
    runs: int
    seconds: float
    dollars: float | None
    unpriced_seconds: float
    saved_seconds: float
    saved_dollars: float | None


def spent(session: Session, run: Run) -> Spent:
    """What a run has held hardware for until now, with the runs that it goes on from: what its cap counts."""
    ids = runs.continued_ids(session, run)
    return _spent(session, Stint.run_id.in_(ids))


def spent_before(session: Session, run: Run, epoch: int) -> Spent:
    """The same without the attempt of `epoch`."""
    ids = runs.continued_ids(session, run)
    return _spent(session, Stint.run_id.in_(ids) & not_(and_(Stint.run_id == run.id, Stint.epoch == epoch)))


def spent_by_run(session: Session, run_ids: Sequence[str]) -> dict[str, Spent]:
    """What each of these runs has spent by itself, by its id; none of a run that nothing is known of."""
    query = _with_runs(Stint.run_id, *_sums()).where(Stint.run_id.in_(run_ids)).group_by(Stint.run_id)
    return {run_id: Spent(*found) for run_id, *found in session.execute(query)}


def launches(session: Session, run_ids: Sequence[str]) -> dict[str, tuple[str, datetime]]:
    """The kind of each of these runs and when it was launched, by its id: names alone tell few of them apart."""
    query = select(Run.id, Run.kind, Run.created_at).where(Run.id.in_(run_ids))
    return {run_id: (kind, created_at) for run_id, kind, created_at in session.execute(query)}


def last_price(session: Session, run: Run) -> float | None:
    """Dollars an hour of the run's latest attempt; None where none was known."""
    mine = select(Stint.dollars_per_hour).where(Stint.run_id == run.id)
    return session.scalar(mine.order_by(Stint.epoch.desc()).limit(1))


def totals(
    session: Session, actor: Actor, by: By, *, month: str | None = None, limit: int | None = None
) -> list[Total]:
    """Sums of one kind, of all time or of a month (`2026-11`, UTC).

    An attempt counts in the month in which it ended. Months and runs come newest first, others the longest first.
    """
    key, label = _KEYS[by]
    query = _with_runs(key, label, func.count(Stint.run_id.distinct()), *_sums(), *_saved())
    query = query.where(Run.owner_id == actor.id, *_within(month)).group_by(key, label)
    newest_first = by in ("month", "run")
    query = query.order_by(key.desc()) if newest_first else query.order_by(func.sum(_seconds()).desc(), key)
    return [Total(*row) for row in session.execute(query.limit(limit))]


def lines(session: Session, actor: Actor, *, month: str | None = None) -> list[dict[str, Any]]:
    """Every attempt, newest first, with `LINE_COLUMNS`: what a bill is checked against."""
    columns = (
        Run.id,
        Run.name,
        Run.kind,
        Dataset.name,
        Run.method,
        Run.base_model,
        Run.status,
        Stint.epoch,
        Stint.began,
        _until(),
        Stint.device,
        Stint.hardware,
        _seconds() / _HOUR,
        Stint.dollars_per_hour,
        _dollars(),
        _saved_seconds() / _HOUR,
        _saved_seconds() * Stint.dollars_per_hour / _HOUR,
    )
    query = _with_runs(*columns).where(Run.owner_id == actor.id, *_within(month))
    query = query.order_by(Stint.began.desc(), Run.id)
    return [dict(zip(LINE_COLUMNS, row, strict=True)) for row in session.execute(query)]


class month_of(FunctionElement[str]):
    """The month of Unix seconds in UTC, such as `2026-11`."""

    type = String()
    inherit_cache = True
    name = "month_of"


@compiles(month_of, "sqlite")
def _sqlite_month(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"strftime('%Y-%m', {compiler.process(element.clauses, **kw)}, 'unixepoch')"


@compiles(month_of, "postgresql")
def _postgresql_month(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"to_char(to_timestamp({compiler.process(element.clauses, **kw)}) AT TIME ZONE 'UTC', 'YYYY-MM')"


_KEYS: dict[By, tuple[ColumnElement[str], ColumnElement[str]]] = {
    "month": (month_of(Stint.until), month_of(Stint.until)),
    "dataset": (Dataset.id.expression, Dataset.name.expression),
    "run": (Run.id.expression, Run.name.expression),
    "method": (Run.method.expression, Run.method.expression),
    "hardware": (Stint.hardware.expression, Stint.device.expression),
}


def _spent(session: Session, which: ColumnElement[bool]) -> Spent:
    seconds, dollars, unpriced = session.execute(_with_runs(*_sums()).where(which)).one()
    return Spent(seconds or 0.0, dollars, unpriced or 0.0)


def _with_runs(*columns: Any) -> Select[Any]:
    query = select(*columns).select_from(Stint).join(Run, Run.id == Stint.run_id)
    query = query.join(DatasetVersion, DatasetVersion.id == Run.dataset_version_id)
    return query.join(Dataset, Dataset.id == DatasetVersion.dataset_id)


def _within(month: str | None) -> tuple[ColumnElement[bool], ...]:
    if month is None:
        return ()
    year, number = (int(part) for part in month.split("-"))
    begin = datetime(year, number, 1, tzinfo=UTC)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return (Stint.until >= begin.timestamp(), Stint.until < end.timestamp())


def _until() -> ColumnElement[float]:
    """While an attempt goes on, its row lags behind the last sign of its holder."""
    goes_on = and_(Run.epoch == Stint.epoch, Run.status.in_(ACTIVE))
    return case((goes_on, runs.last_sign()), else_=Stint.until)


def _seconds() -> ColumnElement[float]:
    return _until() - Stint.began


def _dollars() -> ColumnElement[float]:
    return _seconds() * Stint.dollars_per_hour / _HOUR


def _sums() -> tuple[ColumnElement[Any], ...]:
    """Seconds, dollars, and seconds without a price."""
    unpriced = case((Stint.dollars_per_hour.is_(None), _seconds()), else_=0.0)
    return func.sum(_seconds()), func.sum(_dollars()), func.sum(unpriced)


def _saved_seconds() -> ColumnElement[float | None]:
    """On the stint that ended the run, so that it counts once and at that price."""
    return case((Run.epoch == Stint.epoch, Run.seconds_saved))


def _saved() -> tuple[ColumnElement[Any], ...]:
    dollars = _saved_seconds() * Stint.dollars_per_hour / _HOUR
    return func.coalesce(func.sum(_saved_seconds()), 0.0), func.sum(dollars)
