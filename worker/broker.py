"""Kombu's Redis transport, deaf to what is no message of the studio's: anyone who reaches Redis can push anything.

Kombu 5.6 ends its consumer at the first entry that is no JSON, and reconnects at one without properties; a run that
is going on would be handed back each time. Here such an entry is dropped with one line in the log.
"""

import logging
from typing import Any, Literal

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from studio.queue import CANARY_TASK, TRAIN_TASK

log = logging.getLogger(__name__)

LONGEST_BODY = 10_000
_SHOWN = 200


class _Model(BaseModel):
    model_config = ConfigDict(strict=True)


class _Headers(_Model):
    # No built-in task of Celery's, such as celery.map, and none that is held back for years.
    task: Literal[TRAIN_TASK, CANARY_TASK]  # type: ignore[valid-type]
    id: str = Field(max_length=100)
    eta: None = None


class _Place(_Model):
    exchange: str = Field(max_length=300)
    routing_key: str = Field(max_length=300)


class _Properties(_Model):
    delivery_tag: str = Field(max_length=100)
    delivery_info: _Place
    body_encoding: Literal["base64"]
    reply_to: str | None = Field(None, max_length=100)
    correlation_id: str | None = Field(None, max_length=100)


class _Message(_Model):
    body: str = Field(max_length=LONGEST_BODY)
    content_type: Literal["application/json"] = Field(alias="content-type")
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")
    headers: _Headers
    properties: _Properties


class Channel(kombu_redis.Channel):
    """Survives entries that cannot be read."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except (ValueError, RecursionError) as error:
            # It has been taken off its list by now, so it does not come again.
            log.warning("An entry of the queue that is no message was dropped (%s).", type(error).__name__)
            return True


class Transport(kombu_redis.Transport):
    """Delivers the studio's messages and no others."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        try:
            _Message.model_validate(message)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"]) or "all of it"
            log.warning("A forged message was dropped (%s): %.200s", where, ascii(message)[:_SHOWN])
            return
        super()._deliver(message, queue)  # type: ignore[no-untyped-call]


def install() -> None:
    """Make kombu take this transport for every Redis URL of this process."""
    for name in ("redis", "rediss"):
        TRANSPORT_ALIASES[name] = f"{__name__}:Transport"
