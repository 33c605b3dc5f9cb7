"""The split of a dataset: how its rows are dealt out, and dealing them out anew."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath
from app.forms import Choice, FormField, FormState, as_text
from app.pages._values import FormValues
from app.render import render
from studio import datasets, runs
from studio.actors import Actor
from studio.datasets import Dataset, DatasetVersion, SplitRows
from studio.errors import InvalidInput
from studio.runs import errors_by_field

router = APIRouter(prefix="/datasets/{dataset_id}/split")
_PREFIX = "split"


@router.get("")
def show_split(request: Request, dataset_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> HTMLResponse:
    """The split as it is, and a form for another one."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    state = FormState(_present(dataset.latest))
    return render(request, "datasets/split.html", _context(session, actor, dataset, state))


@router.post("")
def try_split(
    request: Request,
    dataset_id: IdInPath,
    form: FormValues,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
) -> Response:
    """Work a split out, to be looked at before it is kept."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    try:
        plan = _plan(form)
        chore = datasets.ask_split(session, actor, dataset.latest, plan, queue=services.queue, publish=False)
    except InvalidInput as error:
        context = _context(session, actor, dataset, FormState(form, error.fields))
        return render(request, "datasets/split.html", context, error.status_code)
    return RedirectResponse(f"/datasets/{dataset.id}/split/{chore.id}", status_code=303)


@router.get("/{chore_id}")
def show_tried(
    request: Request, dataset_id: IdInPath, chore_id: IdInPath, session: CurrentSession, actor: CurrentActor
) -> Response:
    """How the rows would be dealt out; once it is kept, the dataset with its new version."""
    context = _tried(session, actor, dataset_id, chore_id)
    if context["kept"]:
        return RedirectResponse(f"/datasets/{dataset_id}", status_code=303)
    return render(request, "datasets/split_tried.html", context)


@router.get("/{chore_id}/progress")
def show_progress(
    request: Request, dataset_id: IdInPath, chore_id: IdInPath, session: CurrentSession, actor: CurrentActor
) -> Response:
    """The same in part, while it is worked out."""
    context = _tried(session, actor, dataset_id, chore_id)
    if context["kept"]:
        return Response(headers={"HX-Redirect": f"/datasets/{dataset_id}"})
    return render(request, "datasets/_split_tried.html", context)


@router.post("/{chore_id}/version")
def keep_split(
    dataset_id: IdInPath, chore_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> RedirectResponse:
    """Make the next version with a split that was tried."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    tried, parent = datasets.get_splitting(session, actor, dataset, chore_id)
    plan = SplitRows.model_validate(tried.params["plan"])
    chore = datasets.ask_split(session, actor, parent, plan, queue=services.queue, publish=True)
    return RedirectResponse(f"/datasets/{dataset.id}/split/{chore.id}", status_code=303)


def _plan(form: Mapping[str, str]) -> SplitRows:
    given = {
        name.removeprefix(f"{_PREFIX}."): text.strip()
        for name, text in form.items()
        if name.startswith(f"{_PREFIX}.") and text.strip()
    }
    try:
        return SplitRows.model_validate(given)
    except ValidationError as error:
        fields = {f"{_PREFIX}.{name}".rstrip("."): sentence for name, sentence in errors_by_field(error).items()}
        raise InvalidInput("The split needs another look.", fields=fields) from error


def _present(version: DatasetVersion) -> dict[str, str]:
    """The shares and the seed that the version has."""
    split = datasets.split_of(version)
    names = ("validation_fraction", "test_fraction", "seed")
    return {f"{_PREFIX}.{name}": as_text(getattr(split, name)) for name in names}


def _fields(version: DatasetVersion, state: FormState) -> list[FormField]:
    """The inputs of a plan; the field to split by is one that the rows have."""
    known = (Choice("", "none"), *(Choice(name, name) for name in datasets.fields_of(version)))
    return [
        replace(field, kind="select", choices=known) if field.name == f"{_PREFIX}.field" else field
        for field in state.fields(SplitRows, _PREFIX)
        if field.name != f"{_PREFIX}.do"
    ]


def _context(session: Session, actor: Actor, dataset: Dataset, state: FormState) -> dict[str, Any]:
    version = dataset.latest
    return _shared(session, actor, dataset, version) | {
        "fields": _fields(version, state),
        "error": state.errors.get(_PREFIX, ""),
    }


def _tried(session: Session, actor: Actor, dataset_id: str, chore_id: str) -> dict[str, Any]:
    dataset = datasets.get_dataset(session, actor, dataset_id)
    chore, parent = datasets.get_splitting(session, actor, dataset, chore_id)
    plan = SplitRows.model_validate(chore.params["plan"])
    return _shared(session, actor, dataset, parent) | {
        "chore": chore,
        "plan": plan,
        "kept": chore.params["publish"] and chore.status == "done",
        "next_number": dataset.latest.number + 1,
        "tried": dict(zip(datasets.SPLIT_NAMES, chore.result.get("sizes", ()), strict=False)),
    }


def _shared(session: Session, actor: Actor, dataset: Dataset, version: DatasetVersion) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "version": version,
        "tab": "split",
        "sizes": datasets.version_split_sizes(version),
        "runs": runs.list_runs(session, actor, dataset_id=dataset.id, limit=1),
    }
