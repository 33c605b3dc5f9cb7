"""What keeps the queue moving, whoever does it: the website and every worker make the same rounds.

Runs of dead workers are taken back, hints are sent again, ladders climb on, rows of long gone workers are removed. Two
that do it at once do not disturb each other: every change is a compare-and-set.
"""

import logging
import time

from sqlalchemy.orm import Session

from studio import chores, ladders, runs
from studio.db import DATABASE_AWAY, SessionFactory, transaction
from studio.presence import dead_owners
from studio.queue import GPU_QUEUE, Queue, canary_queue
from studio.settings import Settings
from studio.wire import Wire

log = logging.getLogger(__name__)

ROUND_SECONDS = 10.0
# Any hint makes its reader look for all runs, so more than these tell nothing new.
MOST_HINTS = 100


class Housekeeping:
    """The rounds of one process."""

    def __init__(
        self,
        session_factory: SessionFactory,
        queue: Queue,
        wire: Wire,
        settings: Settings,
        *,
        grace_seconds: float = runs.LEASE_SECONDS,
    ) -> None:
        self._session_factory = session_factory
        self._queue = queue
        self._wire = wire
        self._settings = settings
        self._grace = runs.ReapGrace(time.monotonic(), grace_seconds)
        self.is_database_away = False

    def make_round(self) -> bool:
        """One round; whether runs may be ready now. A database that is away is waited for until the next one."""
        try:
            with dead_owners(self._settings.data_dir) as dead, transaction(self._session_factory) as session:
                touched = self._take_back(session, dead)
                due = runs.take_due(session)
                left = chores.reap(session, dead_owners=dead)
                waiting = chores.take_due(session)
        except DATABASE_AWAY as error:
            log.warning("No round was made: the database does not answer (%s).", type(error).__name__)
            self._grace.begin(time.monotonic())
            self.is_database_away = True
            return False
        self.is_database_away = False
        for run_id in touched:
            log.warning("%s: its worker is gone; the run was taken back.", run_id)
            self._wire.poke(run_id)
        for owner in dead:
            log.warning("Worker %s is dead.", owner)
            self._wire.forget_queue(canary_queue(owner))
        for chore_id in left:
            log.warning("%s: its worker is gone; the work was taken back.", chore_id)
        self._send(due)
        for chore_id in waiting[:MOST_HINTS]:
            self._queue.send_chore(chore_id)
        # Last, so that nothing about a ladder keeps runs from their workers.
        climbed = self._climb()
        return bool(touched or due or climbed)

    def _climb(self) -> int:
        try:
            return ladders.climb(self._session_factory, queue=self._queue, settings=self._settings)
        except DATABASE_AWAY as error:
            log.warning("No ladder was climbed: the database does not answer (%s).", type(error).__name__)
            return 0

    def _take_back(self, session: Session, dead: tuple[str, ...]) -> list[str]:
        runs.forget_workers(session, dead)
        rules = runs.RULES if self._grace.is_over(time.monotonic()) else runs.DEAD_ONLY
        return runs.reap(session, dead_owners=dead, rules=rules)

    def _send(self, due: list[str]) -> None:
        """After the commit; the row is the outbox, so that a hint that is lost is sent again."""
        for run_id in due[: max(0, MOST_HINTS - self._wire.queue_length(GPU_QUEUE))] if due else []:
            self._queue.send(run_id)
