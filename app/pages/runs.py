"""The list of runs, and their names."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from app.deps import CurrentActor, CurrentSession, IdInPath, PageAfter
from app.pages._money import short_spent, stopped_words
from app.render import render
from studio import ladders, runs, spending

router = APIRouter(prefix="/runs")
_PAGE_RUNS = 50
_SHOWN_LADDERS = 3
_FILTERS = {
    "": "All",
    "queued": "Waiting",
    "active": "Active",
    "succeeded": "Finished",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
Filter = Literal["queued", "active", "succeeded", "failed", "cancelled"]


@router.get("")
def list_runs(
    request: Request,
    session: CurrentSession,
    actor: CurrentActor,
    status: Filter | None = None,
    after: PageAfter = None,
) -> HTMLResponse:
    """Newest first, of one status if asked."""
    statuses = sorted(runs.ACTIVE) if status == "active" else [status] if status else []
    found = runs.list_runs(session, actor, limit=_PAGE_RUNS, after=after, statuses=statuses)
    # Beside the newest runs only: the list of ladders has a page of its own.
    newest = [] if status or after else ladders.list_ladders(session, actor, limit=_SHOWN_LADDERS)
    spent = spending.spent_by_run(session, [run.id for run in found])
    context = {
        "runs": found,
        "spent": {run.id: short_spent(spent.get(run.id)) for run in found},
        "stopped": {run.id: stopped_words(run) for run in found},
        "sights": ladders.sights_of(session, newest),
        "status": status,
        "filters": _FILTERS,
        "next_after": found[-1].id if len(found) == _PAGE_RUNS else None,
    }
    return render(request, "runs/list.html", context)


@router.post("/{run_id}/name")
def rename_run(
    run_id: IdInPath, name: Annotated[str, Form(max_length=1000)], session: CurrentSession, actor: CurrentActor
) -> RedirectResponse:
    """Give it another name; an empty one keeps the old."""
    runs.rename(session, actor, run_id, name)
    return RedirectResponse(f"/runs/{run_id}", status_code=303)
