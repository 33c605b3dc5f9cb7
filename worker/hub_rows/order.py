"""What the program that fetches rows is asked."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from studio.chores.child import CannotDo
from studio.datasets import HubSource

# The program takes it from its environment, which nothing keeps on the disk.
TOKEN_VARIABLE = "TUNEWRIGHT_HUB_TOKEN"  # noqa: S105 - the name of a variable


class CannotFetch(CannotDo):
    """There is nothing to fetch, for a reason that a person is told."""


class Order(BaseModel):
    """What to fetch, from where, and how much at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: HubSource
    endpoint: str
    limit_bytes: int
    token: str | None = Field(None, repr=False)
    retry_seconds: float = 1.0

    @classmethod
    def of(cls, request: Mapping[str, Any], token: str | None) -> "Order":
        """The order in a chore's request, beside whatever else it holds."""
        source = {name: request[name] for name in HubSource.model_fields if name in request}
        return cls(
            source=HubSource.model_validate(source),
            endpoint=request["endpoint"],
            limit_bytes=request["limit_bytes"],
            token=token,
        )
