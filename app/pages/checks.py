"""What is wrong with a dataset: its checkup, and the rows that each check found."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, PageNumber, PickedVersion, Services
from app.pages._fixes import mendables
from app.pages._header import header_of, query_of, waits_long
from app.pages._rows import RowView
from app.render import is_fragment_request, render
from studio import chores, datasets
from studio.actors import Actor
from studio.datasets import DatasetVersion
from studio.errors import NotFound

router = APIRouter(prefix="/datasets/{dataset_id}/checks")
_PAGE_FINDINGS = 20


@router.get("")
def show_checks(request: Request, version: PickedVersion, session: CurrentSession, actor: CurrentActor) -> HTMLResponse:
    """All checks, those that found something first."""
    return render(request, "datasets/checks.html", _context(session, actor, version))


@router.get("/progress")
def show_progress(
    request: Request, version: PickedVersion, session: CurrentSession, actor: CurrentActor
) -> HTMLResponse:
    """The checks alone, while they run."""
    return _checkup(request, session, actor, version)


@router.post("")
def check(
    request: Request, version: PickedVersion, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> Response:
    """Check it, or check it again."""
    datasets.ask_checkup(session, actor, version, queue=services.queue, again=True)
    return _answer(request, session, actor, version)


@router.post("/cancel")
def stop(request: Request, version: PickedVersion, session: CurrentSession, actor: CurrentActor) -> Response:
    """Stop checking."""
    chore = datasets.checkup_of(session, actor, version)
    if chore is not None:
        chores.cancel(session, actor, chore.id)
    return _answer(request, session, actor, version)


@router.get("/{check_name}")
def show_findings(
    request: Request,
    check_name: str,
    version: PickedVersion,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    page: PageNumber = 1,
) -> HTMLResponse:
    """The rows that one check found, a page at a time."""
    chore = datasets.checkup_of(session, actor, version)
    found = chore.result.get("checks", []) if chore and chore.status == "done" else []
    summary = next((check for check in found if check["name"] == check_name), None)
    if summary is None:
        raise NotFound("There is no such check of this dataset.")
    pages = max(1, -(-min(summary["count"], datasets.FINDINGS_KEPT) // _PAGE_FINDINGS))
    page = min(page, pages)
    shown = {"check": summary, "page": page, "pages": pages, "mendables": mendables([summary])}
    shown["findings"] = _findings(services, version, check_name, (page - 1) * _PAGE_FINDINGS)
    return render(request, "datasets/findings.html", header_of(session, actor, version, "checks") | shown)


def _findings(
    services: Services, version: DatasetVersion, check_name: str, start: int
) -> list[tuple[datasets.FoundRow, RowView]] | None:
    cache = services.settings.cache_dir
    found = datasets.read_findings(cache, version, check_name, start=start, limit=_PAGE_FINDINGS)
    if found is None:
        return None
    rows = datasets.read_places(version, storage=services.storage, places=[finding.row - 1 for finding in found])
    return [(finding, RowView.of(row)) for finding, row in zip(found, rows, strict=True)]


def _answer(request: Request, session: Session, actor: Actor, version: DatasetVersion) -> Response:
    if is_fragment_request(request):
        return _checkup(request, session, actor, version)
    return RedirectResponse(f"/datasets/{version.dataset_id}/checks{query_of(version)}", status_code=303)


def _checkup(request: Request, session: Session, actor: Actor, version: DatasetVersion) -> HTMLResponse:
    return render(request, "datasets/_checkup.html", _context(session, actor, version))


def _context(session: Session, actor: Actor, version: DatasetVersion) -> dict[str, Any]:
    chore = datasets.checkup_of(session, actor, version)
    return header_of(session, actor, version, "checks") | {
        "chore": chore,
        "is_waiting_long": waits_long(chore),
        "mendables": mendables(datasets.found_by_checks(session, actor, version)),
    }
