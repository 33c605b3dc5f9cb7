"""Rows that a run leaves beside its points: who held it for how long at which price, and alerts on its curves."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Float, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from studio.db import Base, UtcDateTime, utc_now


class Stint(Base):
    """The time that one attempt held a worker's hardware: what is paid for.

    `began` and `until` are the database's clock in Unix seconds; `until` moves on with each renewal and ends with the
    attempt, so while the run is held it lags by up to ten seconds.
    `hardware` is an id of the hardware catalogue, empty where the device is not in it. The price is that of the
    attempt's start; without one the stint counts hours only.
    """

    __tablename__ = "stints"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    began: Mapped[float] = mapped_column(Float(53))
    until: Mapped[float] = mapped_column(Float(53), index=True)
    device: Mapped[str] = mapped_column(String(120), default="", server_default="")
    hardware: Mapped[str] = mapped_column(String(40), default="", server_default="")
    dollars_per_hour: Mapped[float | None] = mapped_column(Float(53))


class Alert(Base):
    """Something about a run's curves that a person should know, told once per kind; words are made of `facts`."""

    __tablename__ = "alerts"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(30), primary_key=True)
    epoch: Mapped[int]
    step: Mapped[int]
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Measurement(Base):
    """What a finished run or trial cost on its hardware: what later estimates are corrected by."""

    __tablename__ = "measurements"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    owner_id: Mapped[str] = mapped_column(String(40), index=True)
    hardware: Mapped[str] = mapped_column(String(40))
    device: Mapped[str] = mapped_column(String(120))
    model_type: Mapped[str] = mapped_column(String(40))
    base_model: Mapped[str] = mapped_column(String(200))
    method: Mapped[str] = mapped_column(String(40))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
