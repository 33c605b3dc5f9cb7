"""Which workers live, by the rows that they renew."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from studio.db import database_seconds
from studio.runs.models import Worker

# A worker renews its row about every ten seconds.
_SILENT_AFTER_SECONDS = 60.0


def living_workers(session: Session) -> int:
    """How many were heard of within the last minute, by the database's clock."""
    seen_since = database_seconds() - _SILENT_AFTER_SECONDS
    return session.scalar(select(func.count()).select_from(Worker).where(Worker.last_seen > seen_since)) or 0
