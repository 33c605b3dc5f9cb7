"""The queue: a message is a hint that a run may be ready; the run's row is the truth."""

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from studio.wire import PREFIX, Wire, broker_url

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger(__name__)

TRAIN_TASK = "tunewright.train_run"
GPU_QUEUE = "gpu"
CHORE_TASK = "tunewright.do_chore"
CPU_QUEUE = "cpu"
CANARY_TASK = "tunewright.canary"


class Queue(Protocol):
    """Where hints are sent."""

    def send(self, run_id: str) -> None:
        """Hint that `run_id` may be ready; never raises, since idle workers also look in SQL."""

    def send_chore(self, chore_id: str) -> None:
        """Hint that a chore waits; never raises."""


def make_celery(redis_url: str) -> "Celery":
    """The Celery application of both sides: JSON only, acknowledged early, no results, no remote control.

    Reasons: kombu redelivers late-acknowledged messages after an hour (celery#5935), and a message carries
    nothing but an id, so losing one costs at most the idle worker's polling interval.
    """
    # Imported here: it takes 0.2 s and 15 MB, which the website spends on its first launch and not at its start.
    from celery import Celery

    celery = Celery("tunewright", broker=broker_url(redis_url), set_as_current=False)
    celery.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,
        task_default_queue=GPU_QUEUE,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_transport_options(),
    )
    return celery


def canary_queue(owner: str) -> str:
    """The queue of one worker alone, where it hears itself."""
    return f"canary.{owner}"


class SilentQueue:
    """No hints, where no Redis is configured: idle workers look in SQL."""

    def send(self, run_id: str) -> None:
        """Leave the run to be found."""

    def send_chore(self, chore_id: str) -> None:
        """Leave the chore to be found."""


class CeleryQueue:
    """Hints through Celery."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._wire = Wire(redis_url)

    @cached_property
    def _celery(self) -> "Celery":
        return make_celery(self._redis_url)

    def send(self, run_id: str) -> None:
        """Send the hint once, without retries: an idle worker finds the row by itself."""
        self._send(TRAIN_TASK, run_id, GPU_QUEUE)

    def send_chore(self, chore_id: str) -> None:
        """Send the hint once, to workers of the CPU queue."""
        self._send(CHORE_TASK, chore_id, CPU_QUEUE)

    def _send(self, task: str, row_id: str, queue: str) -> None:
        # Kombu's client tries to connect for 6 s whatever it is told; a person is waiting.
        if not self._wire.answers():
            log.warning("The hint for %s was not sent: Redis is down. An idle worker looks every 30 s.", row_id)
            return
        try:
            self._celery.send_task(task, args=[row_id], queue=queue, retry=False)
        except Exception as error:
            log.warning("The hint for %s was not sent (%s); an idle worker looks every 30 s.", row_id, error)


def _transport_options() -> dict[str, Any]:
    return {
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "global_keyprefix": PREFIX,
    }
