"""The preview of a dataset: its facts and its rows, those of one split or those that one check found."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, PageNumber, PickedVersion, Services
from app.pages._header import header_of
from app.pages._rows import RowView
from app.render import render
from studio import datasets, runs
from studio.actors import Actor
from studio.datasets import DatasetVersion, SplitName
from studio.licenses import FOR_DATA

router = APIRouter(prefix="/datasets/{dataset_id}")
_PAGE_ROWS = 10
_SHOWN_RUNS = 5
_UNCHECKED = ("Not checked yet", "Once this version is checked, its rows can be shown by what was found in them.")
_NOTHING = ("No such row", "This check found nothing in this version.")
_LOST = ("The list of rows is not kept any more", "Check the dataset again to see it.")
Line = tuple[RowView, str]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are shown, and how: those of a split, or those that a check found, as turns or as JSON."""

    page: PageNumber = 1
    split: SplitName | None = None
    raw: bool = False
    check: Annotated[str, Query(max_length=60)] = ""


def _preview(
    version: PickedVersion,
    wanted: Annotated[Filter, Depends()],
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
) -> dict[str, Any]:
    """What the rows are drawn from."""
    sizes = datasets.version_split_sizes(version)
    checks = datasets.found_by_checks(session, actor, version)
    context = header_of(session, actor, version, "preview") | {
        "sizes": sizes,
        "checks": checks,
        "split": None if wanted.check else wanted.split,
        "check": wanted.check,
        "raw": wanted.raw,
        "missing": None,
    }
    if not wanted.check:
        total = sizes[wanted.split] if wanted.split else version.row_count
        page, pages = _place(wanted.page, total)
        return context | {"page": page, "pages": pages, "lines": _of_split(services, version, wanted.split, page)}
    found = next((check for check in checks if check["name"] == wanted.check), None)
    page, pages = _place(wanted.page, min(found["count"], datasets.FINDINGS_KEPT) if found else 0)
    lines = _of_check(services, version, wanted.check, page) if found else []
    missing = _LOST if lines is None else None if lines else _why_none(session, actor, version)
    return context | {"page": page, "pages": pages, "lines": lines or [], "missing": missing}


Preview = Annotated[dict[str, Any], Depends(_preview, scope="function")]


@router.get("")
def show_dataset(
    request: Request, version: PickedVersion, preview: Preview, session: CurrentSession, actor: CurrentActor
) -> HTMLResponse:
    """Facts, split sizes and a page of rows."""
    used_by = runs.list_runs(session, actor, dataset_id=version.dataset_id, limit=_SHOWN_RUNS)
    licences = {"license": datasets.license_of(version), "for_data": FOR_DATA}
    return render(request, "datasets/show.html", preview | {"runs": used_by} | licences)


@router.get("/rows")
def show_rows(request: Request, preview: Preview) -> HTMLResponse:
    """The rows alone."""
    return render(request, "datasets/_rows.html", preview)


def _why_none(session: Session, actor: Actor, version: DatasetVersion) -> tuple[str, str]:
    chore = datasets.checkup_of(session, actor, version)
    return _NOTHING if chore is not None and chore.status == "done" else _UNCHECKED


def _place(page: int, total: int) -> tuple[int, int]:
    """The page that there is, and how many there are."""
    pages = max(1, -(-total // _PAGE_ROWS))
    return min(page, pages), pages


def _of_split(services: Services, version: DatasetVersion, split: SplitName | None, page: int) -> list[Line]:
    start = (page - 1) * _PAGE_ROWS
    rows = datasets.read_rows(version, storage=services.storage, start=start, limit=_PAGE_ROWS, split=split)
    return [(RowView.of(row), "") for row in rows]


def _of_check(services: Services, version: DatasetVersion, check: str, page: int) -> list[Line] | None:
    """The rows with what is said of them, by a few seeks however many there are; None when the cache was cleared."""
    cache, start = services.settings.cache_dir, (page - 1) * _PAGE_ROWS
    found = datasets.read_findings(cache, version, check, start=start, limit=_PAGE_ROWS)
    if found is None:
        return None
    rows = datasets.read_places(version, storage=services.storage, places=[finding.row - 1 for finding in found])
    return [(RowView.of(row), finding.detail) for finding, row in zip(found, rows, strict=True)]
