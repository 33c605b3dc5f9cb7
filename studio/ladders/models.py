"""Rows of ladders: methods tried from the cheapest up, as long as each gain is worth its price."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Float, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from studio.db import Base, UtcDateTime, utc_now
from studio.ids import new_id


class Ladder(Base):
    """A list of run specs, cheapest first; its runs point to it by `ladder_id` and `rung` (from 0).

    The next rung is queued when the one before has ended and its gain was worth it; `outcome` says why it stopped.
    `hardware` is an id of the catalogue when a person chose what the rungs are estimated for.
    """

    __tablename__ = "ladders"
    __table_args__ = (CheckConstraint("status IN ('climbing','done','stopped')", name="status"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("lad"))
    owner_id: Mapped[str] = mapped_column(String(40), index=True)
    name: Mapped[str] = mapped_column(String(200))
    specs: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    min_gain: Mapped[float] = mapped_column(Float(53))
    hardware: Mapped[str | None] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20), default="climbing", index=True)
    outcome: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
