"""The versions of a dataset: where each comes from, what differs between two, and which one is the newest."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from app.deps import (
    ComparedVersions,
    CurrentActor,
    CurrentServices,
    CurrentSession,
    DatasetInPath,
    PageNumber,
    PickedVersion,
)
from app.pages._header import header_of, waits_long
from app.pages._rows import RowView
from app.render import go_to, render
from studio import chores, datasets
from studio.actors import Actor
from studio.datasets import DatasetVersion, Difference, DiffKind

router = APIRouter(prefix="/datasets/{dataset_id}")
_PAGE_ROWS = 20


@router.get("/versions")
def list_versions(
    request: Request,
    version: PickedVersion,
    session: CurrentSession,
    actor: CurrentActor,
    made: Annotated[int | None, Query(ge=1, le=10**6)] = None,
) -> HTMLResponse:
    """All versions, newest first; `made` is the one that has just come."""
    dataset = version.dataset
    context = {
        "made": made if made is not None and made <= dataset.latest.number else None,
        "versions": list(reversed(dataset.versions)),
        "parents": {version.id: version for version in dataset.versions},
        "sentences": {version.id: datasets.sentences(version.recipe) for version in dataset.versions},
        "health": datasets.healths(session, actor, dataset.versions),
    }
    return render(request, "datasets/versions.html", header_of(session, actor, version, "versions") | context)


@router.post("/versions/{chosen}/newest")
def use_again(
    request: Request,
    dataset: DatasetInPath,
    chosen: int,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
) -> Response:
    """Make an older version the newest again."""
    version = datasets.pick_version(dataset, chosen)
    made = datasets.use_again(session, actor, dataset, version, queue=services.queue)
    return go_to(request, f"/datasets/{dataset.id}/versions?made={made.number}")


@router.get("/diff")
def show_diff(
    request: Request,
    pair: ComparedVersions,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    kind: DiffKind | None = None,
    page: PageNumber = 1,
) -> HTMLResponse:
    """The rows that differ between two versions, one kind at a time; large ones are compared when somebody asks."""
    found = datasets.compare(*pair, storage=services.storage, cache=services.settings.cache_dir)
    context = _pair_context(session, actor, pair)
    if found is None:
        return render(request, "datasets/diff_waiting.html", context)
    shown = kind or _first_kind(found)
    pages = max(1, -(-found.counts[shown] // _PAGE_ROWS))
    page = min(page, pages)
    start = (page - 1) * _PAGE_ROWS
    rows = datasets.read_difference(found, shown, storage=services.storage, start=start, limit=_PAGE_ROWS)
    sides = [(row.before and RowView.of(row.before), row.after and RowView.of(row.after)) for row in rows]
    context |= {"found": found, "kind": shown, "rows": sides, "page": page, "pages": pages}
    return render(request, "datasets/diff.html", context)


@router.get("/diff/progress")
def show_progress(request: Request, pair: ComparedVersions, session: CurrentSession, actor: CurrentActor) -> Response:
    """The comparing alone, while it goes on; then the page with what was found."""
    context = _pair_context(session, actor, pair)
    chore = context["chore"]
    if chore is not None and chore.status == "done":
        return go_to(request, _address(pair))
    return render(request, "datasets/_diff_waiting.html", context)


@router.post("/diff")
def compare(
    request: Request, pair: ComparedVersions, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> Response:
    """Have two versions with many rows compared."""
    datasets.ask_difference(session, actor, *pair, queue=services.queue, cache=services.settings.cache_dir)
    return go_to(request, _address(pair))


@router.post("/diff/cancel")
def stop(request: Request, pair: ComparedVersions, session: CurrentSession, actor: CurrentActor) -> Response:
    """Stop comparing."""
    chore = datasets.difference_chore(session, actor, *pair)
    if chore is not None:
        chores.cancel(session, actor, chore.id)
    return go_to(request, _address(pair))


def _first_kind(found: Difference) -> DiffKind:
    return next((kind for kind in datasets.DIFF_KINDS if found.counts[kind]), "changed")


def _pair_context(session: Session, actor: Actor, pair: tuple[DatasetVersion, DatasetVersion]) -> dict[str, Any]:
    chore = datasets.difference_chore(session, actor, *pair)
    shown = {"before": pair[0], "after": pair[1], "chore": chore, "is_waiting_long": waits_long(chore)}
    return header_of(session, actor, pair[1], "versions") | shown


def _address(pair: tuple[DatasetVersion, DatasetVersion]) -> str:
    before, after = pair
    return f"/datasets/{after.dataset_id}/diff?from={before.number}&to={after.number}"
