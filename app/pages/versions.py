"""The versions of a dataset: where each comes from, what differs between two, and which one is the newest."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, VersionNumber
from app.pages._rows import RowView
from app.pages.fixes import PageNumber
from app.render import go_to, render
from studio import datasets, runs
from studio.actors import Actor
from studio.datasets import Dataset, DatasetVersion, Difference, DiffKind

router = APIRouter(prefix="/datasets/{dataset_id}")
_PAGE_ROWS = 20
Number = Annotated[int, Query(ge=1, le=10**6)]


@router.get("/versions")
def list_versions(
    request: Request,
    dataset_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    number: VersionNumber = None,
    made: Annotated[int | None, Query(ge=1, le=10**6)] = None,
) -> HTMLResponse:
    """All versions, newest first; `made` is the one that has just come."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    version = datasets.pick_version(dataset, number)
    context = {
        "made": made if made is not None and made <= dataset.latest.number else None,
        "versions": list(reversed(dataset.versions)),
        "parents": {version.id: version for version in dataset.versions},
        "sentences": {version.id: datasets.sentences(version.recipe) for version in dataset.versions},
        "health": datasets.healths(session, actor, dataset.versions),
    }
    return render(request, "datasets/versions.html", _shared(session, actor, dataset, version) | context)


@router.post("/versions/{chosen}/newest")
def use_again(
    request: Request,
    dataset_id: IdInPath,
    chosen: int,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
) -> Response:
    """Make an older version the newest again."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    version = datasets.pick_version(dataset, chosen)
    made = datasets.use_again(session, actor, dataset, version, queue=services.queue)
    return go_to(request, f"/datasets/{dataset.id}/versions?made={made.number}")


@router.get("/diff")
def show_diff(
    request: Request,
    dataset_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    before: Annotated[int, Query(alias="from", ge=1, le=10**6)],
    after: Annotated[int, Query(alias="to", ge=1, le=10**6)],
    kind: DiffKind | None = None,
    page: PageNumber = 1,
) -> HTMLResponse:
    """The rows that differ between two versions, one kind at a time."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    versions = datasets.pick_version(dataset, before), datasets.pick_version(dataset, after)
    storage, cache = services.storage, services.settings.cache_dir
    found = datasets.compare(dataset, *versions, storage=storage, cache=cache)
    shown = kind or _first_kind(found)
    pages = max(1, -(-found.counts[shown] // _PAGE_ROWS))
    page = min(page, pages)
    rows = datasets.read_difference(found, shown, storage=storage, start=(page - 1) * _PAGE_ROWS, limit=_PAGE_ROWS)
    sides = [(row.before and RowView.of(row.before), row.after and RowView.of(row.after)) for row in rows]
    context = {"found": found, "kind": shown, "rows": sides, "page": page, "pages": pages}
    return render(request, "datasets/diff.html", _shared(session, actor, dataset, versions[1]) | context)


def _first_kind(found: Difference) -> DiffKind:
    return next((kind for kind in datasets.DIFF_KINDS if found.counts[kind]), "changed")


def _shared(session: Session, actor: Actor, dataset: Dataset, version: DatasetVersion) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "version": version,
        "tab": "versions",
        "runs": runs.list_runs(session, actor, dataset_id=dataset.id, limit=1),
    }
