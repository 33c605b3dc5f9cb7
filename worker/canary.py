"""Notices a worker that hears no hints any more: Celery's consumer can stay silent after Redis was restarted
(celery#8030, #8091, #9054), with no error and no log."""

import logging
import time

from celery import Celery

from studio.queue import CANARY_TASK, canary_queue
from studio.wire import Wire

log = logging.getLogger(__name__)

SING_SECONDS = 60.0
UNHEARD_LIMIT = 3


class Canary:
    """Sends itself a message a minute; three in a row that an idle worker did not hear mean that it is deaf."""

    def __init__(self, celery: Celery, wire: Wire, owner: str, every_seconds: float) -> None:
        self._celery = celery
        self._wire = wire
        self._queue = canary_queue(owner)
        self._every_seconds = every_seconds
        self._unheard = 0
        self._next = time.monotonic() + every_seconds

        @celery.task(name=CANARY_TASK, ignore_result=True, typing=False)  # type: ignore[untyped-decorator]
        def canary(*_: object, **__: object) -> None:
            self.hear()

    def hear(self) -> None:
        """The message has come round."""
        self._unheard = 0

    def is_deaf(self, *, is_idle: bool) -> bool:
        """Sing when it is time; whether the last ones were not heard. A busy worker has no ear free."""
        if not is_idle:
            self.hear()
            return False
        if time.monotonic() < self._next:
            return False
        if self._unheard >= UNHEARD_LIMIT:
            return True
        self._next = time.monotonic() + self._every_seconds
        self._sing()
        return False

    def _sing(self) -> None:
        if not self._wire.answers():
            # That is no deafness.
            self.hear()
            return
        lifetime_seconds = (UNHEARD_LIMIT + 1) * self._every_seconds
        try:
            self._celery.send_task(CANARY_TASK, queue=self._queue, retry=False, expires=lifetime_seconds)
            self._unheard += 1
        except Exception as error:
            # Redis went down at this moment; kombu raises what its transports do.
            log.debug("No canary was sent (%s).", type(error).__name__)
            self.hear()
