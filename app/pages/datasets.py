"""Datasets: list, new, rename, delete."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, PageAfter, Services
from app.pages._refusal import refusal_context
from app.pages._upload_form import UploadForm
from app.render import go_to, is_fragment_request, render
from app.uploads import UploadedForm
from studio import datasets, runs
from studio.datasets import Dataset
from studio.errors import StudioError

router = APIRouter(prefix="/datasets")
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


@router.post("/{dataset_id}/name")
def rename_dataset(
    dataset_id: IdInPath, name: Annotated[str, Form()], session: CurrentSession, actor: CurrentActor
) -> RedirectResponse:
    """Give it another name."""
    datasets.rename_dataset(session, actor, dataset_id, name)
    return RedirectResponse(f"/datasets/{dataset_id}", status_code=303)


@router.post("/{dataset_id}/license")
def say_license(
    dataset_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    license_name: Annotated[str, Form(alias="license")] = "",
    other: Annotated[str, Form()] = "",
) -> RedirectResponse:
    """Keep what its owner says of its licence: a known one, or another in words."""
    datasets.set_license(session, actor, dataset_id, other if license_name == "other" else license_name)
    return RedirectResponse(f"/datasets/{dataset_id}", status_code=303)


@router.post("/{dataset_id}/deletion")
def delete_dataset(
    dataset_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> RedirectResponse:
    """Remove it with its files, unless a run names it."""
    datasets.delete_dataset(session, actor, dataset_id, storage=services.storage)
    return RedirectResponse("/datasets", status_code=303)


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
