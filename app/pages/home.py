"""Home: what runs now and what came out, or the way to begin."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentSession
from app.render import render
from studio import adapters, datasets, runs
from studio.actors import Actor

router = APIRouter()
_SHOWN = 5


@router.get("/")
def show_home(request: Request, session: CurrentSession, actor: CurrentActor) -> HTMLResponse:
    """The first page; a checklist until there is a run."""
    recent = runs.list_runs(session, actor, limit=_SHOWN)
    context = _active(session, actor) | {
        "recent": recent,
        "adapters": adapters.list_adapters(session, actor, limit=_SHOWN),
        "datasets": datasets.list_datasets(session, actor, limit=1),
    }
    return render(request, "home/show.html" if recent else "home/first.html", context)


@router.get("/active-runs")
def show_active_runs(request: Request, session: CurrentSession, actor: CurrentActor) -> HTMLResponse:
    """The runs in progress, as the part of Home that refreshes itself."""
    return render(request, "home/_active.html", _active(session, actor))


def _active(session: Session, actor: Actor) -> dict[str, Any]:
    active = runs.active_runs(session, actor)
    waits = any(run.status == "queued" and not run.is_paused for run in active)
    return {"active": active, "has_worker": not waits or runs.living_workers(session) > 0}
