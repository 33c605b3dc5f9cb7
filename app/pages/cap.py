"""A higher cap, from a run's page."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath
from app.live import announce
from app.pages.run import page_context
from app.render import render
from studio import runs, spending
from studio.errors import Conflict, InvalidInput

router = APIRouter(prefix="/runs/{run_id}")


@router.post("/cap")
def raise_cap(
    request: Request,
    run_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    max_dollars: Annotated[float | None, Form()] = None,
    max_hours: Annotated[float | None, Form()] = None,
) -> Response:
    """Raise it while the run waits; one that ended at its cap goes on as a new run, which is gone to."""
    try:
        raised = spending.raise_cap(
            services.session_factory,
            actor,
            run_id,
            queue=services.queue,
            settings=services.settings,
            max_dollars=max_dollars,
            max_hours=max_hours,
        )
    except (Conflict, InvalidInput) as refusal:
        run = runs.get_run(session, actor, run_id)
        context = page_context(session, run, services) | {"notice": refusal.message, "cursor": run.last_seq}
        return render(request, "runs/show.html", context, refusal.status_code)
    announce(session, services.wire, runs.get_run(session, actor, raised.id))
    return RedirectResponse(f"/runs/{raised.id}", status_code=303)
