"""Ladders: started from the launch form, followed, stopped and climbed on."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, PageAfter
from app.live import announce
from app.pages._draft import make_draft
from app.pages._entered import checked_spec
from app.pages._hardware import HARDWARE_FIELD
from app.pages._ladder import at_form_fields, chosen_rungs, min_gain_of
from app.pages._license import ACCEPTED_KEY_FIELD
from app.pages._scatter import draw_scatter
from app.pages._values import FormValues
from app.pages._worth import worth_column
from app.render import go_to, render
from studio import ladders, spending
from studio.actors import Actor
from studio.budget.licensing import ACCEPTED_FIELD, DISCLAIMER
from studio.errors import Conflict, InvalidInput

router = APIRouter(prefix="/ladders")
_PAGE_LADDERS = 30


@router.get("")
def list_ladders(
    request: Request, session: CurrentSession, actor: CurrentActor, after: PageAfter = None
) -> HTMLResponse:
    """Newest first."""
    found = ladders.list_ladders(session, actor, limit=_PAGE_LADDERS, after=after)
    next_after = found[-1].id if len(found) == _PAGE_LADDERS else None
    return render(request, "ladders/list.html", {"sights": ladders.sights_of(session, found), "next_after": next_after})


@router.post("")
def start_ladder(
    request: Request, form: FormValues, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> Response:
    """Start one from the launch form, or show the form again with a sentence at each field."""
    try:
        ladder = ladders.start_ladder(
            session,
            actor,
            checked_spec(session, actor, form),
            queue=services.queue,
            settings=services.settings,
            rungs=chosen_rungs(form),
            min_gain=min_gain_of(form),
            name=form.get("name", ""),
            hardware_id=form.get(HARDWARE_FIELD) or None,
            idempotency_key=form.get("idempotency_key"),
        )
    except InvalidInput as error:
        draft = make_draft(session, actor, services, form, error=at_form_fields(error))
        return render(request, "runs/new.html", draft.context(), error.status_code)
    return RedirectResponse(f"/ladders/{ladder.id}", status_code=303)


@router.get("/{ladder_id}")
def show_ladder(request: Request, ladder_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> HTMLResponse:
    """Its rungs, quality against money, and which one to keep."""
    return render(request, "ladders/show.html", _context(session, actor, ladder_id))


@router.get("/{ladder_id}/status")
def show_status(request: Request, ladder_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> HTMLResponse:
    """The part of the page that refreshes itself."""
    return render(request, "ladders/_status.html", _context(session, actor, ladder_id))


@router.post("/{ladder_id}/stop")
def stop_ladder(
    request: Request,
    ladder_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    cancel_runs: Annotated[bool, Form()] = False,
) -> Response:
    """Climb no further; the rung under way is finished, or cancelled if asked."""
    try:
        _, cancelled = ladders.stop_ladder(session, actor, ladder_id, cancel_runs=cancel_runs)
    except Conflict as refused:
        return _refused(request, session, actor, ladder_id, refused)
    for run in cancelled:
        announce(session, services.wire, run)
    return go_to(request, f"/ladders/{ladder_id}")


@router.post("/{ladder_id}/climb")
def climb_on(
    request: Request,
    form: FormValues,
    ladder_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
) -> Response:
    """Launch the next rung of a ladder that has ended; where its licences have to be accepted first, show them."""
    accepts = form.get(ACCEPTED_KEY_FIELD) if form.get(ACCEPTED_FIELD) == "true" else None
    try:
        with session.begin_nested():
            ladders.climb_on(
                session, actor, ladder_id, queue=services.queue, settings=services.settings, accepts=accepts
            )
    except (Conflict, InvalidInput) as refused:
        return _refused(request, session, actor, ladder_id, refused, services.settings.models_root)
    return go_to(request, f"/ladders/{ladder_id}")


def _context(session: Session, actor: Actor, ladder_id: str) -> dict[str, Any]:
    ladder = ladders.get_ladder(session, actor, ladder_id)
    sight = ladders.sight_of(session, ladder)
    return {
        "ladder": ladder,
        "sight": sight,
        "scatter": draw_scatter(sight),
        "worth": worth_column(sight),
        "notice": "",
        "statement": None,
        "disclaimer": DISCLAIMER,
    }


def _refused(
    request: Request,
    session: Session,
    actor: Actor,
    ladder_id: str,
    refused: Conflict | InvalidInput,
    models_root: Path | None = None,
) -> HTMLResponse:
    session.expire_all()
    context = _context(session, actor, ladder_id) | {"notice": refused.message}
    if isinstance(refused, InvalidInput) and ACCEPTED_FIELD in refused.fields:
        context["statement"] = spending.license_statement(session, actor, context["sight"].specs[0], models_root)
    return render(request, "ladders/show.html", context, refused.status_code)
