"""What is wrong with a dataset: its checkup, and the rows that each check found."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, Services, VersionNumber
from app.pages._fixes import mendables
from app.pages._rows import RowView
from app.render import is_fragment_request, render
from studio import chores, datasets, runs
from studio.actors import Actor
from studio.datasets import DatasetVersion
from studio.db import utc_now
from studio.errors import NotFound

router = APIRouter(prefix="/datasets/{dataset_id}/checks")
_PAGE_FINDINGS = 20
_LONG_WAIT_SECONDS = 40.0


@router.get("")
def show_checks(
    request: Request,
    dataset_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    number: VersionNumber = None,
) -> HTMLResponse:
    """All checks, those that found something first."""
    version = _looked_at(session, actor, dataset_id, number)
    return render(request, "datasets/checks.html", _context(session, actor, version))


@router.get("/progress")
def show_progress(
    request: Request,
    dataset_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    number: VersionNumber = None,
) -> HTMLResponse:
    """The checks alone, while they run."""
    return _checkup(request, session, actor, _looked_at(session, actor, dataset_id, number))


@router.post("")
def check(
    request: Request,
    dataset_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    number: VersionNumber = None,
) -> Response:
    """Check it, or check it again."""
    version = _looked_at(session, actor, dataset_id, number)
    datasets.ask_checkup(session, actor, version, queue=services.queue, again=True)
    return _answer(request, session, actor, version, number)


@router.post("/cancel")
def stop(
    request: Request,
    dataset_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    number: VersionNumber = None,
) -> Response:
    """Stop checking."""
    version = _looked_at(session, actor, dataset_id, number)
    chore = datasets.checkup_of(session, actor, version)
    if chore is not None:
        chores.cancel(session, actor, chore.id)
    return _answer(request, session, actor, version, number)


@router.get("/{check_name}")
def show_findings(
    request: Request,
    dataset_id: IdInPath,
    check_name: str,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
    number: VersionNumber = None,
) -> HTMLResponse:
    """The rows that one check found, a page at a time."""
    version = _looked_at(session, actor, dataset_id, number)
    chore = datasets.checkup_of(session, actor, version)
    found = chore.result.get("checks", []) if chore and chore.status == "done" else []
    summary = next((check for check in found if check["name"] == check_name), None)
    if summary is None:
        raise NotFound("There is no such check of this dataset.")
    pages = max(1, -(-summary["count"] // _PAGE_FINDINGS))
    page = min(page, pages)
    context = _shared(session, actor, version) | {"check": summary, "page": page, "pages": pages}
    context["findings"] = _findings(services, version, check_name, (page - 1) * _PAGE_FINDINGS)
    return render(request, "datasets/findings.html", context)


def _findings(
    services: Services, version: DatasetVersion, check_name: str, start: int
) -> list[tuple[datasets.FoundRow, RowView]] | None:
    cache = services.settings.cache_dir
    found = datasets.read_findings(cache, version, check_name, start=start, limit=_PAGE_FINDINGS)
    if found is None:
        return None
    rows = datasets.read_places(version, storage=services.storage, places=[finding.row - 1 for finding in found])
    return [(finding, RowView.of(row)) for finding, row in zip(found, rows, strict=True)]


def _looked_at(session: Session, actor: Actor, dataset_id: str, number: int | None) -> DatasetVersion:
    return datasets.pick_version(datasets.get_dataset(session, actor, dataset_id), number)


def _answer(request: Request, session: Session, actor: Actor, version: DatasetVersion, number: int | None) -> Response:
    if is_fragment_request(request):
        return _checkup(request, session, actor, version)
    query = "" if number is None else f"?version={number}"
    return RedirectResponse(f"/datasets/{version.dataset_id}/checks{query}", status_code=303)


def _checkup(request: Request, session: Session, actor: Actor, version: DatasetVersion) -> HTMLResponse:
    return render(request, "datasets/_checkup.html", _context(session, actor, version))


def _context(session: Session, actor: Actor, version: DatasetVersion) -> dict[str, Any]:
    chore = datasets.checkup_of(session, actor, version)
    waits = chore is not None and chore.status == "queued"
    is_long = waits and (utc_now() - chore.created_at).total_seconds() > _LONG_WAIT_SECONDS if chore else False
    context = {
        "chore": chore,
        "is_waiting_long": is_long,
        "mendables": mendables(datasets.found_by_checks(session, actor, version)),
    }
    return _shared(session, actor, version) | context


def _shared(session: Session, actor: Actor, version: DatasetVersion) -> dict[str, Any]:
    dataset = version.dataset
    return {
        "dataset": dataset,
        "version": version,
        "tab": "checks",
        "runs": runs.list_runs(session, actor, dataset_id=dataset.id, limit=1),
    }
