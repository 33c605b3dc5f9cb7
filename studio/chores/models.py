"""The row of a chore."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import JSON, BigInteger, CheckConstraint, Float, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from studio.db import Base, UtcDateTime, utc_now
from studio.ids import new_id

ChoreKind = Literal["checkup", "tokens", "mending", "splitting", "comparing", "import"]
_ACTIVE = "status IN ('queued','running')"


class Chore(Base):
    """Work that is the same whoever does it and however often: its result depends on `key` alone.

    `done` of `total` is in units of the kind, such as rows; `total` is 0 while it is unknown.
    """

    __tablename__ = "chores"
    __table_args__ = (
        CheckConstraint("status IN ('queued','running','done','failed','cancelled')", name="status"),
        Index(
            "uq_chores_active",
            "owner_id",
            "kind",
            "key",
            unique=True,
            sqlite_where=text(_ACTIVE),
            postgresql_where=text(_ACTIVE),
        ),
        Index("ix_chores_status", "status", "id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("chr"))
    owner_id: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20))
    key: Mapped[str] = mapped_column(String(64), index=True)
    version_id: Mapped[str | None] = mapped_column(ForeignKey("dataset_versions.id", ondelete="CASCADE"), index=True)
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    status: Mapped[str] = mapped_column(String(10), default="queued")
    epoch: Mapped[int] = mapped_column(default=0)
    claims: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String(120))
    lease_until: Mapped[float] = mapped_column(Float(53), default=0.0)
    dispatched_at: Mapped[float | None] = mapped_column(Float(53))
    phase: Mapped[str] = mapped_column(String(40), default="")
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    result: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    problem: Mapped[str] = mapped_column(Text, default="")

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def is_over(self) -> bool:
        """It will not change any more."""
        return self.status in {"done", "failed", "cancelled"}

    @property
    def fraction(self) -> float | None:
        """How much of it is done, from 0 to 1, or None while that is unknown."""
        return min(1.0, self.done / self.total) if self.total else None
