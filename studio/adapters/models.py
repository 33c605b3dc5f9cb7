"""Rows of adapters: finished, downloadable results, also when they hold full weights."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Float, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from studio.db import Base, UtcDateTime, utc_now
from studio.ids import new_id
from studio.runs.models import Run


class Adapter(Base):
    """One archive in storage and what is known of it."""

    __tablename__ = "adapters"
    __table_args__ = (CheckConstraint("kind IN ('adapter','model')", name="kind"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("ad"))
    owner_id: Mapped[str] = mapped_column(String(40), index=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(10))
    method: Mapped[str] = mapped_column(String(40))
    base_model: Mapped[str] = mapped_column(String(200))
    base_revision: Mapped[str | None] = mapped_column(String(96))
    step: Mapped[int]
    validation_loss: Mapped[float | None] = mapped_column(Float(53))
    trained_parameters: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    storage_key: Mapped[str] = mapped_column(String(200))
    files: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    run: Mapped[Run] = relationship(lazy="joined")

    @property
    def file_name(self) -> str:
        """The name that a download gets: from ids, never from what a person typed."""
        return f"tunewright-{self.kind}-{self.id.removeprefix('ad_')}.zip"
