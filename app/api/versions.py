"""Versions of a dataset over JSON: list them, compare two, use an older one again."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from app.api.datasets import RowOut, VersionOut
from app.api.models import ChoreOut, In, Out
from app.deps import ComparedVersions, CurrentActor, CurrentServices, CurrentSession, DatasetInPath
from studio import datasets
from studio.datasets import DatasetVersion, DiffKind, NumberedRow
from studio.errors import Conflict

router = APIRouter(prefix="/datasets/{dataset_id}", tags=["datasets"])


class MendedVersionOut(VersionOut):
    """A version with where it comes from: the number of its parent, and the steps as data and in words."""

    parent: int | None
    recipe: list[dict[str, Any]]
    sentences: list[str]


class ChosenIn(In):
    """Which version is to be the newest again."""

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
def list_versions(dataset: DatasetInPath) -> list[MendedVersionOut]:
    """All versions, newest first."""
    numbers = {version.id: version.number for version in dataset.versions}
    return [_out(version, numbers) for version in reversed(dataset.versions)]


@router.post("/versions", status_code=201, summary="Use an older version again")
def use_again(
    dataset: DatasetInPath, wanted: ChosenIn, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> MendedVersionOut:
    """Make the newest version equal an older one; nothing is copied, and no version goes."""
    version = datasets.pick_version(dataset, wanted.use)
    made = datasets.use_again(session, actor, dataset, version, queue=services.queue)
    return _out(made, {version.id: version.number for version in dataset.versions})


@router.get("/diff", summary="Compare two versions")
def show_diff(
    pair: ComparedVersions,
    services: CurrentServices,
    kind: DiffKind = "changed",
    start: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> DiffOut:
    """Rows that were dropped, added or changed, from the `start`-th (from 0) of that kind.

    409 for versions with more than 50,000 rows that nobody had compared yet: POST to the same address.
    """
    found = datasets.compare(*pair, storage=services.storage, cache=services.settings.cache_dir)
    if found is None:
        raise Conflict("These versions have many rows. Have them compared first, with POST.")
    rows = datasets.read_difference(found, kind, storage=services.storage, start=start, limit=limit)
    sides = [DifferentRowOut(before=_row(row.before), after=_row(row.after)) for row in rows]
    return DiffOut(counts=dict(found.counts), rows=sides)


@router.post("/diff", status_code=202, summary="Have two versions compared")
def compare(
    pair: ComparedVersions, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> ChoreOut:
    """Compare versions with many rows; asked again, it tells how far that is."""
    cache = services.settings.cache_dir
    return ChoreOut.model_validate(datasets.ask_difference(session, actor, *pair, queue=services.queue, cache=cache))


def _row(row: NumberedRow | None) -> RowOut | None:
    return RowOut.model_validate(row) if row is not None else None


def _out(version: DatasetVersion, numbers: dict[str, int]) -> MendedVersionOut:
    plain = VersionOut.model_validate(version).model_dump()
    parent = numbers.get(version.parent_id) if version.parent_id else None
    sentences = datasets.sentences(version.recipe)
    return MendedVersionOut(**plain, parent=parent, recipe=version.recipe, sentences=sentences)
