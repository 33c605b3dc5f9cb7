"""Datasets: list, new, show, rename, delete."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, PageAfter, Services, VersionNumber
from app.pages._refusal import refusal_context
from app.pages._rows import RowView
from app.pages._upload_form import UploadForm
from app.render import go_to, is_fragment_request, render
from app.uploads import UploadedForm
from studio import datasets, runs
from studio.datasets import Dataset, SplitName
from studio.errors import StudioError

router = APIRouter(prefix="/datasets")
_PAGE_ROWS = 10
_PAGE_DATASETS = 50


@router.get("")
def list_datasets(
    request: Request, session: CurrentSession, actor: CurrentActor, after: PageAfter = None
) -> HTMLResponse:
    """Newest first, a page at a time."""
    found = datasets.list_datasets(session, actor, limit=_PAGE_DATASETS, after=after)
    context = {
        "datasets": found,
        "used": runs.count_by_dataset(session, actor),
        "health": datasets.healths(session, actor, [dataset.latest for dataset in found]),
        "arrivals": datasets.list_arrivals(session, actor) if after is None else [],
        "next_after": found[-1].id if len(found) == _PAGE_DATASETS else None,
    }
    return render(request, "datasets/list.html", context)


@router.get("/new")
def new_dataset(request: Request, services: CurrentServices) -> HTMLResponse:
    """The form for a file."""
    return render(request, "datasets/new.html", _form_context(UploadForm({}), services))


@router.post("")
def create_dataset(
    request: Request, received: UploadedForm, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> Response:
    """Import the received file, or have a worker do it; bad input shows the form again with every problem."""
    form = UploadForm(received.fields)
    try:
        made = datasets.take_upload(
            session,
            actor,
            received.upload,
            storage=services.storage,
            name=form.name,
            mapping=form.mapping,
            split=form.split(),
            leave_out=form.leave_out,
            small_bytes=services.settings.small_upload_bytes,
            limits=datasets.ImportLimits(unpacked_limit_bytes=services.settings.unpacked_limit_bytes),
            queue=services.queue,
        )
    except StudioError as error:
        return _refused(request, form, error, services)
    return go_to(
        request, f"/datasets/{made.id}" if isinstance(made, Dataset) else f"/datasets/arrivals/{made.arrival.id}"
    )


@router.get("/{dataset_id}")
def show_dataset(
    request: Request,
    dataset_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
    split: SplitName | None = None,
    raw: bool = False,
    number: VersionNumber = None,
) -> HTMLResponse:
    """Facts, split sizes and a page of rows."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    version = datasets.pick_version(dataset, number)
    context = _rows_context(version, services, page, split, raw)
    used_by = runs.list_runs(session, actor, dataset_id=dataset.id, limit=5)
    return render(request, "datasets/show.html", context | {"runs": used_by, "columns": {}, "tab": "preview"})


@router.get("/{dataset_id}/rows")
def show_rows(
    request: Request,
    dataset_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
    split: SplitName | None = None,
    raw: bool = False,
    number: VersionNumber = None,
) -> HTMLResponse:
    """The preview alone."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    version = datasets.pick_version(dataset, number)
    return render(request, "datasets/_rows.html", _rows_context(version, services, page, split, raw))


@router.post("/{dataset_id}/name")
def rename_dataset(
    dataset_id: IdInPath, name: Annotated[str, Form()], session: CurrentSession, actor: CurrentActor
) -> RedirectResponse:
    """Give it another name."""
    datasets.rename_dataset(session, actor, dataset_id, name)
    return RedirectResponse(f"/datasets/{dataset_id}", status_code=303)


@router.post("/{dataset_id}/deletion")
def delete_dataset(
    dataset_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> RedirectResponse:
    """Remove it with its files, unless a run names it."""
    datasets.delete_dataset(session, actor, dataset_id, storage=services.storage)
    return RedirectResponse("/datasets", status_code=303)


def _rows_context(
    version: datasets.DatasetVersion, services: Services, page: int, split: SplitName | None, raw: bool
) -> dict[str, Any]:
    sizes = datasets.version_split_sizes(version)
    total = sizes[split] if split else version.row_count
    pages = max(1, -(-total // _PAGE_ROWS))
    page = min(page, pages)
    rows = datasets.read_rows(
        version, storage=services.storage, start=(page - 1) * _PAGE_ROWS, limit=_PAGE_ROWS, split=split
    )
    return {
        "dataset": version.dataset,
        "version": version,
        "sizes": sizes,
        "rows": [RowView.of(row) for row in rows],
        "page": page,
        "pages": pages,
        "split": split,
        "raw": raw,
    }


def _form_context(form: UploadForm, services: Services, error: StudioError | None = None) -> dict[str, Any]:
    refusal = refusal_context(error, form.values)
    return refusal | {
        "form": form,
        "split_fields": form.split_fields(refusal["fields"]),
        "limit_bytes": services.settings.upload_limit_bytes,
    }


def _refused(request: Request, form: UploadForm, error: StudioError, services: Services) -> HTMLResponse:
    """The same form with what is wrong; to htmx only the part that says it, so that the chosen file stays chosen."""
    template = "datasets/_refusal.html" if is_fragment_request(request) else "datasets/new.html"
    return render(request, template, _form_context(form, services, error), error.status_code)
