"""The system page: who works, what waits, what the disk holds, and whether the parts answer."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, Services
from app.health import LATE_SECONDS, housekeeping_age
from app.render import render
from studio import house
from studio.actors import Actor

router = APIRouter(prefix="/system")
KIND_WORDS = {
    "datasets": "Datasets",
    "findings": "Findings and comparisons",
    "tokens": "Tokenised rows",
    "tokenizers": "Tokenizers",
    "adapters": "Adapters",
    "checkpoints": "Checkpoints",
    "base_models": "Base models",
    "logs": "Logs",
    "database": "Database",
    "other": "Everything else",
}


@router.get("")
def show_system(
    request: Request, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> HTMLResponse:
    """The whole page."""
    return render(request, "system/show.html", _context(request, session, actor, services))


@router.get("/status")
def show_status(
    request: Request, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> HTMLResponse:
    """What changes, as the part that refreshes itself."""
    return render(request, "system/_status.html", _context(request, session, actor, services))


def _context(request: Request, session: Session, actor: Actor, services: Services) -> dict[str, Any]:
    age = housekeeping_age(request)
    return {
        "workers": house.list_workers(session, actor),
        "queue": house.read_queue(session, actor),
        "chores": house.count_chores(session, actor),
        "usage": request.app.state.usage.read(),
        "kind_words": KIND_WORDS,
        "database": session.get_bind().dialect.name,
        "redis": services.wire.answers() if services.settings.redis_url else None,
        "housekeeping_age": age,
        "is_late": age is not None and age > LATE_SECONDS,
        "last_check": house.last_check(services.settings),
        "data_dir": services.settings.data_dir,
        "version": request.app.version,
    }
