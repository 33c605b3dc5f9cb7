"""Kombu's Redis transport, deaf to what is no message of the studio's: anyone who reaches Redis can push anything.

Kombu 5.6 ends its consumer at the first entry that is no JSON, and reconnects at one without properties; a run that
is going on would be handed back each time. Here such an entry is dropped with one line in the log.
"""

import base64
import json
import logging
from typing import Any, Literal

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

log = logging.getLogger(__name__)

LONGEST_BODY = 10_000
_SHOWN = 200


class _Model(BaseModel):
    model_config = ConfigDict(strict=True)


class _Headers(_Model):
    # No built-in task of Celery's, such as celery.map, and none that is held back for years.
    task: Literal["tunewright.train_run", "tunewright.do_chore", "tunewright.canary"]
    id: str = Field(max_length=100)
    eta: None = None
    expires: str | None = Field(None, pattern=r"^[0-9T:.+-]{1,40}$")


class _Place(_Model):
    exchange: str = Field(max_length=300)
    routing_key: str = Field(max_length=300)


class _Properties(_Model):
    delivery_tag: str = Field(max_length=100)
    delivery_info: _Place
    body_encoding: Literal["base64"]


class _Message(_Model):
    body: str = Field(max_length=LONGEST_BODY)
    content_type: Literal["application/json"] = Field(alias="content-type")
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")
    headers: _Headers
    properties: _Properties

    @field_validator("body")
    @classmethod
    def _is_arguments(cls, body: str) -> str:
        """Arguments, keywords and Celery's own part, in JSON, in base64."""
        match json.loads(base64.b64decode(body, validate=True)):
            case [list(), dict(), dict()]:
                return body
        raise ValueError("no arguments")


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
        """Hand on only what was checked: an error behind this point would leave the message unacknowledged, and the
        consumer, which takes one at a time, deaf."""
        try:
            checked = _Message.model_validate(message)
        except (ValidationError, RecursionError) as error:
            log.warning("A forged message was dropped (%s): %.200s", _where(error), ascii(message)[:_SHOWN])
            return
        super()._deliver(checked.model_dump(by_alias=True), queue)  # type: ignore[no-untyped-call]


def _where(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "nested too deep"
    return ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"]) or "all of it"


def install() -> None:
    """Make kombu take this transport for every Redis URL of this process."""
    for name in ("redis", "rediss"):
        TRANSPORT_ALIASES[name] = f"{__name__}:Transport"
