"""What is done about once a day without being asked: old checkpoints and what crashes left go away."""

import logging
from dataclasses import dataclass

from studio import datasets, runs
from studio.db import SessionFactory, transaction
from studio.house.findings import House
from studio.house.leftovers import SPARED_SECONDS, find_leftovers
from studio.settings import Settings
from studio.storage import Storage

log = logging.getLogger(__name__)

SWEEP_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Swept:
    """What went."""

    checkpoints: int
    leftovers: int
    size_bytes: int


def sweep(
    settings: Settings,
    session_factory: SessionFactory,
    storage: Storage,
    *,
    spared_seconds: float = SPARED_SECONDS,
) -> Swept:
    """Remove expired checkpoints and leftovers; any number of websites may do so at once. Commits."""
    house = House(settings, session_factory, storage)
    checkpoints = runs.expire_checkpoints(session_factory, settings.runs_dir, days=settings.checkpoint_days)
    with transaction(session_factory) as session:
        datasets.forget_old_arrivals(session)
    removed = [left for left in find_leftovers(house, spared_seconds) if left.remove()]
    swept = Swept(checkpoints, len(removed), sum(left.size_bytes for left in removed))
    if checkpoints or removed:
        log.info("swept %d checkpoints and %d leftovers of %d bytes", checkpoints, len(removed), swept.size_bytes)
    return swept
