"""Writes how long each attempt holds its worker's hardware: one stint per claim, by the database's clock."""

from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.orm import Session

from studio.runs.models import Run
from studio.runs.protocol import LEASE_SECONDS, Lease, Rules
from studio.runs.traces import Stint


def begin_stint(session: Session, lease: Lease, rules: Rules) -> None:
    """Open the stint of a claim."""
    row = {"run_id": lease.run_id, "epoch": lease.epoch, "began": rules.now, "until": rules.now}
    session.execute(insert(Stint).values(row))


def extend_stint(session: Session, lease: Lease, rules: Rules) -> None:
    """Let the stint of a lease that was just renewed reach until now; a worker of version 0.1 has none."""
    _reach(session, lease.run_id, lease.epoch, rules.now)


def close_lapsed_stint(session: Session, run_id: str, epoch: int) -> None:
    """Let the stint of a silent holder end with the last sign of it, not with the end of its lease."""
    _reach(session, run_id, epoch, select(last_sign()).where(Run.id == run_id).scalar_subquery())


def describe_stint(session: Session, lease: Lease, *, device: str, hardware: str, hourly: float | None) -> None:
    """Say what is held and at which price; a later change of the price leaves it as it is."""
    told = {"device": device[:120], "hardware": hardware, "dollars_per_hour": hourly}
    session.execute(_of(lease.run_id, lease.epoch).values(told))


def forget_stint(session: Session, lease: Lease) -> None:
    """Count nothing for an attempt that another program kept from the hardware: waiting is free."""
    mine = (Stint.run_id == lease.run_id, Stint.epoch == lease.epoch)
    session.execute(delete(Stint).where(*mine).execution_options(synchronize_session=False))


def last_sign() -> ColumnElement[float]:
    """When the holder of a run wrote last: each fence sets the end of the lease."""
    return Run.lease_until - LEASE_SECONDS


def _reach(session: Session, run_id: str, epoch: int, until: Any) -> None:
    session.execute(_of(run_id, epoch).values(until=until))


def _of(run_id: str, epoch: int) -> Any:
    mine = (Stint.run_id == run_id, Stint.epoch == epoch)
    return update(Stint).where(*mine).execution_options(synchronize_session=False)
