"""The website's share of keeping house: it sends hints again and takes runs back when no worker is there to do it."""

import logging
import threading
import time
from collections.abc import Callable

from app.deps import Services
from studio.housekeeping import ROUND_SECONDS, Housekeeping

log = logging.getLogger(__name__)

SWEEP_AFTER_SECONDS = 600.0
SWEEP_SECONDS = 86_400.0
PRUNE_SECONDS = 3600.0
LONGEST_WAIT_SECONDS = 2.0


class Housekeeper:
    """Two threads, so that a long sweep delays no round; both end with the application."""

    def __init__(self, services: Services, *, round_seconds: float = ROUND_SECONDS) -> None:
        self._services = services
        self._round_seconds = round_seconds
        self._housekeeping = Housekeeping(services.session_factory, services.queue, services.wire, services.settings)
        self._stopping = threading.Event()
        self._ticked_at = time.monotonic()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start both threads; the first round is one interval away."""
        self._stopping.clear()
        self._threads = [
            threading.Thread(target=self._make_rounds, name="housekeeping", daemon=True),
            threading.Thread(target=self._sweep, name="sweep", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the rounds; what is under way is not waited for long, for it can stop anywhere."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(LONGEST_WAIT_SECONDS)

    def last_tick_age(self) -> float:
        """Seconds since the last round that the database answered; it was made or begun at the start."""
        return time.monotonic() - self._ticked_at

    def _make_rounds(self) -> None:
        while not self._stopping.wait(self._round_seconds):
            self._guarded(self._make_round)

    def _make_round(self) -> None:
        self._housekeeping.make_round()
        if not self._housekeeping.is_database_away:
            self._ticked_at = time.monotonic()

    def _sweep(self) -> None:
        """Soon after the start; then the caches are kept small every hour, and everything is swept once a day."""
        wait_seconds, due = SWEEP_AFTER_SECONDS, 0.0
        while not self._stopping.wait(wait_seconds):
            self._guarded(self._prune_once)
            if time.monotonic() >= due:
                self._guarded(self._sweep_once)
                due = time.monotonic() + SWEEP_SECONDS
            wait_seconds = PRUNE_SECONDS

    def _prune_once(self) -> None:
        from studio.house import prune_caches

        prune_caches(self._services.settings, self._services.session_factory)

    def _sweep_once(self) -> None:
        # Imported when it is needed: most websites of tests and demos never live that long.
        from studio.house import sweep

        sweep(self._services.settings, self._services.session_factory, self._services.storage)

    def _guarded(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception:
            # The task's edge: what fails now is tried again the next time.
            log.exception("Housekeeping failed")
