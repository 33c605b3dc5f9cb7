"""What the API's models share."""

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from studio.chores import Chore

Item = TypeVar("Item")


class In(BaseModel):
    """What a client sends: nothing beyond the named fields, so that no column is set by surprise."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RenameIn(In):
    """A new name."""

    name: str = Field(max_length=1000)


class TryIn(In):
    """Which version is worked on; without `publish` it is only tried."""

    version: int | None = Field(None, ge=1, le=10**6, description="The number of a version; the newest without one.")
    publish: bool = False


class Out(BaseModel):
    """What a client gets, read from a row's attributes."""

    model_config = ConfigDict(from_attributes=True, protected_namespaces=())


class ChoreOut(Out):
    """Long work: whether it waits, goes on or is over, and `done` of `total` in the phase it is in (0: unknown)."""

    id: str
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    phase: str
    done: int
    total: int
    problem: str


class Listed(BaseModel, Generic[Item]):
    """A list in one answer, without pages."""

    items: list[Item]


class Page(BaseModel, Generic[Item]):
    """One page of a list, newest first; pass `next_after` as `after` for the next, null ends it."""

    items: list[Item]
    next_after: str | None


def page_of(items: list[Item], ids: list[str], limit: int) -> Page[Item]:
    """A page whose last id leads to the next one, when it is full."""
    return Page(items=items, next_after=ids[-1] if len(ids) == limit else None)


def told(chore: Chore) -> dict[str, Any]:
    """What every answer about long work begins with."""
    return ChoreOut.model_validate(chore).model_dump()
