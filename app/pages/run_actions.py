"""What a person does to a run from its page: one button, one route, and an answer that says which won."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, Services
from app.live import announce
from app.pages._license import launched_or_asked
from app.pages._standing import status_context
from app.pages.run import page_context
from app.render import go_to, is_fragment_request, render
from studio import runs, spending
from studio.actors import Actor
from studio.errors import Conflict

router = APIRouter(prefix="/runs/{run_id}")


@dataclass(frozen=True, slots=True)
class Click:
    """Who pressed a button, of which run."""

    request: Request
    run_id: str
    session: Session
    actor: Actor
    services: Services


def _click(
    request: Request, run_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> Click:
    return Click(request, run_id, session, actor, services)


CurrentClick = Annotated[Click, Depends(_click, scope="function")]


@router.post("/pause")
def pause_run(click: CurrentClick) -> Response:
    """Save, free the GPU and wait."""
    return _answer(click, lambda: runs.pause(click.session, click.actor, click.run_id))


@router.post("/resume")
def resume_run(click: CurrentClick) -> Response:
    """Go on from where it was paused."""
    return _answer(click, lambda: runs.resume(click.session, click.actor, click.run_id, queue=click.services.queue))


@router.post("/cancel")
def cancel_run(click: CurrentClick) -> Response:
    """End it: at once while it waits, else within seconds."""
    return _answer(click, lambda: runs.cancel(click.session, click.actor, click.run_id))


@router.post("/keep")
def keep_run(click: CurrentClick) -> Response:
    """Stop, and make the best weights the adapter."""
    return _answer(click, lambda: _with_files(click, runs.keep))


@router.post("/retry")
def retry_run(click: CurrentClick) -> Response:
    """Go on from the last checkpoint, as a new run."""
    return _answer(click, lambda: _with_files(click, runs.retry))


@router.post("/again")
def run_again(
    click: CurrentClick,
    suggestion: Annotated[str | None, Query(max_length=80)] = None,
    idempotency_key: Annotated[str | None, Form(max_length=80)] = None,
) -> Response:
    """Launch the same settings from the start, or what a suggestion makes of them.

    Where the licences say something else than was accepted for the run, lead to the form, which shows what.
    """
    launch = partial(
        runs.run_again,
        click.session,
        click.actor,
        click.run_id,
        queue=click.services.queue,
        settings=click.services.settings,
        suggestion=suggestion,
        idempotency_key=idempotency_key,
        launch_with=spending.launch,
    )
    asked = {"from": click.run_id} | ({"suggestion": suggestion} if suggestion else {})
    return launched_or_asked(click.request, launch, f"/runs/new?{urlencode(asked)}")


@router.post("/full-run")
def launch_full(click: CurrentClick) -> Response:
    """Launch in full what a trial has tried; the same holds for its licences."""
    services = click.services
    launch = partial(
        spending.launch_full,
        click.session,
        click.actor,
        click.run_id,
        queue=services.queue,
        settings=services.settings,
    )
    return launched_or_asked(click.request, launch, f"/runs/new?from={click.run_id}")


def _with_files(click: Click, verb: Callable[..., runs.Run]) -> runs.Run:
    services = click.services
    return verb(services.session_factory, click.actor, click.run_id, queue=services.queue, settings=services.settings)


def _answer(click: Click, act: Callable[[], runs.Run]) -> Response:
    """Act, then show the run as it stands; a new run is gone to, and a refusal is told above the status."""
    try:
        run, notice = act(), ""
    except Conflict as refusal:
        run, notice = runs.get_run(click.session, click.actor, click.run_id), refusal.message
    if run.id != click.run_id:
        return go_to(click.request, f"/runs/{run.id}")
    announce(click.session, click.services.wire, run)
    if is_fragment_request(click.request):
        return _fragment(click, run, notice)
    return _page(click, run, notice) if notice else RedirectResponse(f"/runs/{run.id}", status_code=303)


def _fragment(click: Click, run: runs.Run, notice: str) -> Response:
    context = status_context(click.session, run) | {"notice": notice, "is_fragment": True}
    return render(click.request, "runs/_acted.html", context, Conflict.status_code if notice else 200)


def _page(click: Click, run: runs.Run, notice: str) -> Response:
    context = page_context(click.session, run, click.services) | {"notice": notice, "cursor": run.last_seq}
    return render(click.request, "runs/show.html", context, Conflict.status_code)
