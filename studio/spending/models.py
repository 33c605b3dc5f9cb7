"""Rows of the price table."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Float, String
from sqlalchemy.orm import Mapped, mapped_column

from studio.db import Base, UtcDateTime, utc_now


class Price(Base):
    """What an hour of a kind of hardware costs its owner: rented by the hour, or own at watts x price of power."""

    __tablename__ = "prices"
    __table_args__ = (
        CheckConstraint("dollars_per_hour IS NULL OR dollars_per_hour > 0", name="dollars_per_hour"),
        CheckConstraint("(watts IS NULL) = (dollars_per_kwh IS NULL)", name="power"),
    )

    owner_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    hardware: Mapped[str] = mapped_column(String(40), primary_key=True)
    dollars_per_hour: Mapped[float | None] = mapped_column(Float(53))
    watts: Mapped[float | None] = mapped_column(Float(53))
    dollars_per_kwh: Mapped[float | None] = mapped_column(Float(53))
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)

    @property
    def hourly(self) -> float | None:
        """Dollars an hour, however it was given."""
        if self.dollars_per_hour is not None:
            return self.dollars_per_hour
        if self.watts is None or self.dollars_per_kwh is None:
            return None
        return self.watts / 1000 * self.dollars_per_kwh
