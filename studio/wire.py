"""The wire: what goes through Redis. Losing it loses liveness, nothing else."""

import logging
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)

PREFIX = "tunewright:"
# Who misses one looks by itself two seconds later.
POKES_KEPT = 100
STREAM_LIFETIME_SECONDS = 24 * 3600


def redis_client_url(url: str) -> str:
    """The form that redis-py reads: kombu writes sockets as redis+socket://, redis-py as unix://."""
    return url.replace("redis+socket://", "unix://", 1)


def broker_url(url: str) -> str:
    """The form that kombu reads."""
    return url.replace("unix://", "redis+socket://", 1)


def stream_key(run_id: str) -> str:
    """The stream of one run."""
    return f"{PREFIX}run:{run_id}"


def worker_key(owner: str) -> str:
    """Where a worker leaves its heartbeat."""
    return f"{PREFIX}worker:{owner}"


class Wire:
    """Pokes those who watch, and reads what Celery leaves; every failure is logged once and swallowed."""

    def __init__(self, url: str) -> None:
        # No retries: redis-py's three would hold a page up for seconds whenever Redis is down.
        self._redis: redis.Redis = redis.Redis.from_url(
            redis_client_url(url),
            socket_timeout=2,
            socket_connect_timeout=1,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
        )
        self._down = False

    def poke(self, run_id: str) -> None:
        """Say that there is something new in a run; what it is, SQL tells."""
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.xadd(stream_key(run_id), {"kind": "changed"}, maxlen=POKES_KEPT, approximate=True)
                pipe.expire(stream_key(run_id), STREAM_LIFETIME_SECONDS)
                pipe.execute()
            self._answers()
        except redis.RedisError as error:
            self._fails(error)

    def beat(self, owner: str, seconds: int) -> None:
        """Say that a worker is there for the next `seconds`."""
        try:
            self._redis.set(worker_key(owner), "1", ex=seconds)
            self._answers()
        except redis.RedisError as error:
            self._fails(error)

    def queue_length(self, name: str) -> int:
        """How many messages wait in a queue of Celery's; 0 when unknown."""
        try:
            length: Any = self._redis.llen(f"{PREFIX}{name}")
            self._answers()
            return int(length)
        except redis.RedisError as error:
            self._fails(error)
            return 0

    def forget_queue(self, name: str) -> None:
        """Remove a queue that nobody will read again: its list, and what kombu notes of it."""
        try:
            self._redis.delete(
                *(f"{PREFIX}{kind}{name}" for kind in ("", "_kombu.binding.", "_kombu.binding_permanent."))
            )
            self._answers()
        except redis.RedisError as error:
            self._fails(error)

    def answers(self) -> bool:
        """Whether Redis is there."""
        try:
            return bool(self._redis.ping())
        except redis.RedisError:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _fails(self, error: Exception) -> None:
        if not self._down:
            log.warning("Redis does not answer (%s); live updates pause, nothing is lost.", type(error).__name__)
        self._down = True

    def _answers(self) -> None:
        if self._down:
            log.info("Redis answers again.")
        self._down = False
