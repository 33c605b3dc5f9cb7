"""The split of a dataset: how its rows are dealt out, and dealing them out anew."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, PickedVersion, SplittingInPath
from app.forms import Choice, FormField, FormState, as_text
from app.pages._header import header_of, waits_long
from app.pages._values import FormValues
from app.render import go_to, render
from studio import chores, datasets
from studio.actors import Actor
from studio.datasets import DatasetVersion, SplitRows
from studio.errors import InvalidInput
from studio.runs import errors_by_field

router = APIRouter(prefix="/datasets/{dataset_id}/split")
_PREFIX = "split"


@router.get("")
def show_split(request: Request, version: PickedVersion, session: CurrentSession, actor: CurrentActor) -> HTMLResponse:
    """The split as it is, and a form for another one."""
    return render(request, "datasets/split.html", _context(session, actor, version, FormState(_present(version))))


@router.post("")
def try_split(
    request: Request,
    version: PickedVersion,
    form: FormValues,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
) -> Response:
    """Work a split out, to be looked at before it is kept."""
    try:
        chore = datasets.ask_split(session, actor, version, _plan(form), queue=services.queue, publish=False)
    except InvalidInput as error:
        context = _context(session, actor, version, FormState(form, error.fields))
        return render(request, "datasets/split.html", context, error.status_code)
    return _led_to(version.dataset_id, chore.id)


def _tried(splitting: SplittingInPath, session: CurrentSession, actor: CurrentActor) -> dict[str, Any]:
    """What a split that was tried is drawn from; `kept` once it is a version."""
    chore, parent = splitting
    return _shared(session, actor, parent) | {
        "chore": chore,
        "is_waiting_long": waits_long(chore),
        "plan": SplitRows.model_validate(chore.params["plan"]),
        "kept": chore.params["publish"] and chore.status == "done",
        "next_number": parent.dataset.latest.number + 1,
        "tried": dict(zip(datasets.SPLIT_NAMES, chore.result.get("sizes", ()), strict=False)),
    }


Tried = Annotated[dict[str, Any], Depends(_tried, scope="function")]


@router.get("/{chore_id}")
def show_tried(request: Request, tried: Tried) -> Response:
    """How the rows would be dealt out; once it is kept, the dataset with its new version."""
    return _shown(request, "datasets/split_tried.html", tried)


@router.get("/{chore_id}/progress")
def show_progress(request: Request, tried: Tried) -> Response:
    """The same in part, while it is worked out."""
    return _shown(request, "datasets/_split_tried.html", tried)


@router.post("/{chore_id}/cancel")
def stop(splitting: SplittingInPath, session: CurrentSession, actor: CurrentActor) -> RedirectResponse:
    """Stop it."""
    chore, parent = splitting
    chores.cancel(session, actor, chore.id)
    return _led_to(parent.dataset_id, chore.id)


@router.post("/{chore_id}/version")
def keep_split(
    splitting: SplittingInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> RedirectResponse:
    """Make the next version with a split that was tried."""
    tried, parent = splitting
    plan = SplitRows.model_validate(tried.params["plan"])
    chore = datasets.ask_split(session, actor, parent, plan, queue=services.queue, publish=True)
    return _led_to(parent.dataset_id, chore.id)


def _shown(request: Request, template: str, tried: dict[str, Any]) -> Response:
    if tried["kept"]:
        return go_to(request, f"/datasets/{tried['dataset'].id}")
    return render(request, template, tried)


def _led_to(dataset_id: str, chore_id: str) -> RedirectResponse:
    return RedirectResponse(f"/datasets/{dataset_id}/split/{chore_id}", status_code=303)


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


def _context(session: Session, actor: Actor, version: DatasetVersion, state: FormState) -> dict[str, Any]:
    return _shared(session, actor, version) | {
        "fields": _fields(version, state),
        "error": state.errors.get(_PREFIX, ""),
        "others": datasets.datasets_to_test_with(session, actor, version),
    }


def _shared(session: Session, actor: Actor, version: DatasetVersion) -> dict[str, Any]:
    return header_of(session, actor, version, "split") | {"sizes": datasets.version_split_sizes(version)}
