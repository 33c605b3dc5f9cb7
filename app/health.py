"""Whether the website lives, and whether the parts that it needs answer."""

import os

from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse

from app.deps import CurrentServices, Services
from studio.db import reading

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def live() -> JSONResponse:
    """The process answers; nothing else is asked."""
    return JSONResponse({"status": "ok"})


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
