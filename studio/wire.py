"""The wire: what goes through Redis. Losing it loses liveness, nothing else."""

import json
import logging
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)

PREFIX = "tunewright:"
STREAM_LENGTH = 20_000
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


@dataclass(frozen=True, slots=True)
class WireMessage:
    """One entry of a run's stream; `kind` is `points`, `changed`, or `done` after the run's end."""

    kind: str
    payload: Any

    def fields(self) -> dict[str, str]:
        """The entry as Redis keeps it."""
        return {"kind": self.kind, "payload": json.dumps(self.payload, allow_nan=False)}


class Wire:
    """Adds to streams; every failure is logged once and swallowed."""

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

    def publish(self, run_id: str, messages: list[WireMessage]) -> None:
        """Append messages to the run's stream, oldest first."""
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for message in messages:
                    pipe.xadd(stream_key(run_id), message.fields(), maxlen=STREAM_LENGTH, approximate=True)  # type: ignore[arg-type]
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
