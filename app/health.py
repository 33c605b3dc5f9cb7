"""Whether the website lives, and whether the parts that it needs answer."""

import os

from fastapi import APIRouter, Request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse

from app.deps import CurrentServices, Services
from studio.db import reading

router = APIRouter(include_in_schema=False)


# Rounds are made every ten seconds; behind this nobody takes back runs of dead workers or sends hints again.
LATE_SECONDS = 60.0


@router.get("/healthz")
async def live(request: Request) -> JSONResponse:
    """The process answers, and says whether its housekeeping still makes its rounds; nothing else is asked."""
    age = housekeeping_age(request)
    if age is not None and age > LATE_SECONDS:
        return JSONResponse({"status": "degraded", "reason": f"Housekeeping made no round for {age:.0f} seconds."})
    return JSONResponse({"status": "ok"})


def housekeeping_age(request: Request) -> float | None:
    """Seconds since the last round of this process; None where it makes none."""
    housekeeping = getattr(request.app.state, "housekeeping", None)
    return housekeeping.last_tick_age() if housekeeping is not None else None


@router.get("/readyz")
def ready(services: CurrentServices) -> JSONResponse:
    """The database, the folder of files and Redis (where one is configured) answer; 503 names what does not."""
    parts = {"database": _database_answers(services), "storage": _storage_is_writable(services)}
    if services.settings.redis_url:
        parts["redis"] = services.wire.answers()
    return JSONResponse({"ready": all(parts.values()), "parts": parts}, 200 if all(parts.values()) else 503)


def _database_answers(services: Services) -> bool:
    try:
        with reading(services.session_factory) as session:
            return bool(session.scalar(text("SELECT 1")))
    except SQLAlchemyError:
        return False


def _storage_is_writable(services: Services) -> bool:
    folder = services.settings.storage_dir
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)
