"""Files on their way to be datasets: how far they are, and what has to be said before they can go on."""

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath
from app.pages._header import waits_long
from app.pages._refusal import MAPPING_PREFIX, SAMPLES_FIELD, mapping_of, refusal_context
from app.pages._values import FormValues
from app.render import go_to, render
from studio import datasets
from studio.actors import Actor
from studio.datasets import ArrivalSight

router = APIRouter(prefix="/datasets/arrivals")


@router.get("/{arrival_id}")
def show_arrival(request: Request, arrival_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> Response:
    """How far it is, or why it was refused; one that is a dataset by now leads there."""
    return _shown(request, "datasets/arrival.html", session, actor, arrival_id)


@router.get("/{arrival_id}/progress")
def show_progress(request: Request, arrival_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> Response:
    """The same alone, while it is worked on."""
    return _shown(request, "datasets/_arrival.html", session, actor, arrival_id)


@router.post("/{arrival_id}")
def go_on(
    request: Request,
    arrival_id: IdInPath,
    form: FormValues,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
) -> Response:
    """Import it as the form says, since the file is here already; a second click leads to the work of the first."""
    if datasets.get_arrival(session, actor, arrival_id).chore.is_over:
        mapping, leave_out = mapping_of(form) or None, form.get("leave_out") == "true"
        datasets.go_on(session, actor, arrival_id, queue=services.queue, mapping=mapping, leave_out=leave_out)
    return go_to(request, f"/datasets/arrivals/{arrival_id}")


@router.post("/{arrival_id}/cancel")
def stop(arrival_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> RedirectResponse:
    """Stop it; its file is kept for a while."""
    datasets.cancel_import(session, actor, arrival_id)
    return RedirectResponse(f"/datasets/arrivals/{arrival_id}", status_code=303)


@router.post("/{arrival_id}/deletion")
def forget(
    arrival_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> RedirectResponse:
    """Remove it with its file."""
    datasets.forget_arrival(session, actor, arrival_id, storage=services.storage)
    return RedirectResponse("/datasets", status_code=303)


def _shown(request: Request, template: str, session: Session, actor: Actor, arrival_id: str) -> Response:
    sight = datasets.get_arrival(session, actor, arrival_id)
    if sight.status == "done":
        return go_to(request, f"/datasets/{sight.arrival.dataset_id or ''}".rstrip("/"))
    context = {"sight": sight, "chore": sight.chore, "is_waiting_long": waits_long(sight.chore)}
    return render(request, template, context | refusal_context(sight.refusal, _values(sight), is_kept=True))


def _values(sight: ArrivalSight) -> dict[str, Any]:
    """The fields as they would come with the file, had it been refused at once."""
    mapping = sight.arrival.options["mapping"] or {}
    values = {f"{MAPPING_PREFIX}{target}": column for target, column in mapping.items()}
    samples = sight.arrival.report.get("samples")
    return values | ({SAMPLES_FIELD: json.dumps(samples, ensure_ascii=False)} if samples else {})
