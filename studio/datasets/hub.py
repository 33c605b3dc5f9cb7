"""Rows of a dataset on the Hub: which a person wants, and the import that fetches them."""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy.orm import Session

from studio.actors import Actor
from studio.datasets.arrivals import ArrivalSight, ask_import, new_arrival
from studio.datasets.importing import settle
from studio.datasets.splits import Split
from studio.queue import Queue

_REPOSITORY = re.compile(
    r"(?:https://huggingface\.co/datasets/)?"
    r"(?P<id>[A-Za-z0-9][A-Za-z0-9_.\-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.\-]{0,95})/?"
)
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9_.\-/]{0,95}")
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,100}")


class HubSource(BaseModel):
    """Parquet files of one split of one subset, at a branch, a tag or a commit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["hub"] = "hub"
    repository: str = Field("", title="Dataset id", description="Owner and name, such as acme/tickets.", max_length=300)
    revision: str = Field("main", description="A branch, a tag or a commit; the commit is kept.", max_length=100)
    subset: str | None = Field(
        None, description="Needed only where the dataset has several; then you are told which.", max_length=100
    )
    split: str = Field("train", description="The rows that are taken.", max_length=100)
    held_out: bool = Field(
        False,
        title="Also take its validation and test rows",
        description="They stay what they are: nothing is learned from them. Otherwise the rows are split by shares.",
    )

    @field_validator("repository")
    @classmethod
    def _is_an_id(cls, value: str) -> str:
        found = _REPOSITORY.fullmatch(value.strip())
        if found is None or ".." in value or "--" in found["id"]:
            raise ValueError("give the id of a dataset, owner and name, such as acme/tickets")
        return found["id"]

    @field_validator("revision")
    @classmethod
    def _is_a_revision(cls, value: str) -> str:
        if not _REVISION.fullmatch(value):
            raise ValueError("give a branch, a tag or a commit, such as main")
        return value

    @field_validator("subset", "split")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        if value is not None and not _NAME.fullmatch(value):
            raise ValueError("a name has up to 100 characters that can be shown")
        return value

    def file_name(self, commit: str) -> str:
        """What a version calls the file of its rows."""
        subset = f"{self.subset}, " if self.subset else ""
        return f"{self.repository}@{commit[:7]} ({subset}{self.split})"[:255]

    def facts(self, commit: str, **more: Any) -> dict[str, Any]:
        """What a version keeps of where it comes from."""
        return self.model_dump(exclude={"kind", "held_out"}) | {"commit": commit} | more


def ask_hub(
    session: Session,
    actor: Actor,
    source: HubSource,
    *,
    queue: Queue,
    name: str | None = None,
    mapping: dict[str, str] | None = None,
    split: Split | None = None,
    leave_out: bool = False,
) -> ArrivalSight:
    """Have a worker fetch and import them; raises InvalidInput. Flushes."""
    title, _ = settle(f"{source.repository}.parquet", name, split)
    arrival = new_arrival(actor, title, source.model_dump(), mapping, split, leave_out)
    return ask_import(session, actor, arrival, queue=queue)
