"""Adapters: list and show; the download has its own module."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, PageAfter, Services
from app.downloads import archive_problem
from app.pages._usage import loading_snippet, usage_sentences
from app.render import render
from studio import adapters

router = APIRouter(prefix="/adapters")
_PAGE_ADAPTERS = 50


@router.get("")
def list_adapters(
    request: Request, session: CurrentSession, actor: CurrentActor, after: PageAfter = None
) -> HTMLResponse:
    """Newest first."""
    found = adapters.list_adapters(session, actor, limit=_PAGE_ADAPTERS, after=after)
    next_after = found[-1].id if len(found) == _PAGE_ADAPTERS else None
    return render(request, "adapters/list.html", {"adapters": found, "next_after": next_after})


@router.get("/{adapter_id}")
def show_adapter(
    request: Request, adapter_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> HTMLResponse:
    """Facts, files, and how to use it."""
    adapter = adapters.get_adapter(session, actor, adapter_id)
    return render(request, "adapters/show.html", _context(services, adapter))


def _context(services: Services, adapter: adapters.Adapter) -> dict[str, Any]:
    method = adapter.run.run_spec.method
    return {
        "adapter": adapter,
        "problem": archive_problem(services, adapter),
        "run": adapter.run,
        "method": method,
        "snippet": loading_snippet(adapter),
        "usage": usage_sentences(adapter, method),
    }
