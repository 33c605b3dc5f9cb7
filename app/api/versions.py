"""Versions of a dataset over JSON: list them, compare two, use an older one again."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.datasets import RowOut, VersionOut
from app.api.models import Out
from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath
from studio import datasets
from studio.datasets import DatasetVersion, DiffKind, NumberedRow

router = APIRouter(prefix="/datasets/{dataset_id}", tags=["datasets"])


class MendedVersionOut(VersionOut):
    """A version with where it comes from: the number of its parent, and the steps as data and in words."""

    parent: int | None
    recipe: list[dict[str, Any]]
    sentences: list[str]


class ChosenIn(BaseModel):
    """Which version is to be the newest again."""

    model_config = ConfigDict(extra="forbid")

    use: int = Field(ge=1, le=10**6, description="The number of a version.")


class DifferentRowOut(Out):
    """A row that only one of two versions has, or both sides of one that was changed."""

    before: RowOut | None
    after: RowOut | None


class DiffOut(Out):
    """How many rows differ in each way, and a page of one of them."""

    counts: dict[DiffKind, int]
    rows: list[DifferentRowOut]


@router.get("/versions", summary="List versions")
def list_versions(dataset_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> list[MendedVersionOut]:
    """All versions, newest first."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    numbers = {version.id: version.number for version in dataset.versions}
    return [_out(version, numbers) for version in reversed(dataset.versions)]


@router.post("/versions", status_code=201, summary="Use an older version again")
def use_again(
    dataset_id: IdInPath, wanted: ChosenIn, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> MendedVersionOut:
    """Make the newest version equal an older one; nothing is copied, and no version goes."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    version = datasets.pick_version(dataset, wanted.use)
    made = datasets.use_again(session, actor, dataset, version, queue=services.queue)
    return _out(made, {version.id: version.number for version in dataset.versions})


@router.get("/diff", summary="Compare two versions")
def show_diff(
    dataset_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    before: Annotated[int, Query(alias="from", ge=1, le=10**6)],
    after: Annotated[int, Query(alias="to", ge=1, le=10**6)],
    kind: DiffKind = "changed",
    start: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> DiffOut:
    """Rows that were dropped, added or changed, from the `start`-th (from 0) of that kind."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    versions = datasets.pick_version(dataset, before), datasets.pick_version(dataset, after)
    storage = services.storage
    found = datasets.compare(dataset, *versions, storage=storage, cache=services.settings.cache_dir)
    rows = datasets.read_difference(found, kind, storage=storage, start=start, limit=limit)
    sides = [DifferentRowOut(before=_row(row.before), after=_row(row.after)) for row in rows]
    return DiffOut(counts=dict(found.counts), rows=sides)


def _row(row: NumberedRow | None) -> RowOut | None:
    return RowOut.model_validate(row) if row is not None else None


def _out(version: DatasetVersion, numbers: dict[str, int]) -> MendedVersionOut:
    plain = VersionOut.model_validate(version).model_dump()
    parent = numbers.get(version.parent_id) if version.parent_id else None
    sentences = datasets.sentences(version.recipe)
    return MendedVersionOut(**plain, parent=parent, recipe=version.recipe, sentences=sentences)
