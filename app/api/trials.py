"""Trial runs over JSON: try a spec, and launch in full what was tried."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from app.api.runs import LAUNCH_BODY, LaunchIn, RunDetailOut, detail_of, read_launch
from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath
from studio import runs, spending

router = APIRouter(prefix="/runs", tags=["runs"])


@router.post("/trial", status_code=201, summary="Try a run out", openapi_extra=LAUNCH_BODY)
def try_run(
    wanted: Annotated[LaunchIn, Depends(read_launch)],
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    response: Response,
    idempotency_key: Annotated[str | None, Header(max_length=80, pattern=r"^[\x21-\x7e]+$")] = None,
) -> RunDetailOut:
    """Queue a trial of about two minutes; once it is over, `trial` holds what it measured and a forecast."""
    run = spending.launch(
        session,
        actor,
        wanted.spec,
        queue=services.queue,
        settings=services.settings,
        hardware_id=wanted.hardware,
        name=wanted.name,
        parent_run_id=wanted.parent_run_id,
        idempotency_key=idempotency_key,
        terms=runs.Terms(kind="trial"),
    )
    response.headers["location"] = f"/api/runs/{run.id}"
    return detail_of(session, run)


@router.post("/{run_id}/full-run", status_code=201, summary="Launch what a trial has tried")
def launch_full(
    run_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    response: Response,
) -> RunDetailOut:
    """The same spec as a run of its own; twice gives the same run, 409 for a run that is no trial."""
    run = spending.launch_full(session, actor, run_id, queue=services.queue, settings=services.settings)
    response.headers["location"] = f"/api/runs/{run.id}"
    return detail_of(session, run)
