"""A higher cap over JSON."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import Field

from app.api.models import In
from app.api.runs import RunDetailOut, detail_of
from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath
from app.live import announce
from studio import runs, spending

router = APIRouter(prefix="/runs/{run_id}", tags=["runs"])
_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"description": "A new run goes on from this one; `Location` leads to it."}
}


class CapIn(In):
    """Higher limits; one that is left out stays as it is."""

    max_dollars: float | None = Field(None, description="What the whole run may cost.")
    max_hours: float | None = Field(None, description="How long the whole run may hold hardware.")


@router.post("/cap", summary="Raise the cap of a run", responses=_CREATED)
def raise_cap(
    run_id: IdInPath,
    wanted: CapIn,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    response: Response,
) -> RunDetailOut:
    """Of a run that waits or is paused; what ended at its cap goes on from its checkpoint, as a new run (201).

    What was spent until now counts. 409 while a worker holds the run: pause it first.
    """
    raised = spending.raise_cap(
        services.session_factory,
        actor,
        run_id,
        queue=services.queue,
        settings=services.settings,
        **wanted.model_dump(),
    )
    run = runs.get_run(session, actor, raised.id)
    announce(session, services.wire, run)
    if run.id != run_id:
        response.status_code = 201
        response.headers["location"] = f"/api/runs/{run.id}"
    return detail_of(session, run)
