"""What is done to a run over JSON; where the run had already ended, 409 says which won."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from app.api.runs import RunDetailOut, detail_of
from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath
from app.live import announce
from studio import runs, spending

router = APIRouter(prefix="/runs/{run_id}", tags=["runs"])
_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"description": "A new run goes on from this one; `Location` leads to it."}
}


@router.post("/pause", summary="Pause a run")
def pause_run(
    run_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> RunDetailOut:
    """Save a checkpoint, free the GPU and wait for `resume`; at once while it waits. Twice is no error."""
    run = runs.pause(session, actor, run_id)
    announce(session, services.wire, run)
    return detail_of(session, run)


@router.post("/resume", summary="Resume a paused run")
def resume_run(
    run_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> RunDetailOut:
    """Go on from the last checkpoint, at the old place in the queue. Twice is no error."""
    run = runs.resume(session, actor, run_id, queue=services.queue)
    announce(session, services.wire, run)
    return detail_of(session, run)


@router.post("/cancel", summary="Cancel a run")
def cancel_run(
    run_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> RunDetailOut:
    """At once while it waits, within seconds while it trains; twice is no error; 409 when it had already ended."""
    run = runs.cancel(session, actor, run_id)
    announce(session, services.wire, run)
    return detail_of(session, run)


@router.post("/keep", summary="Stop a run and keep its best weights", responses=_CREATED)
def keep_run(
    run_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    response: Response,
) -> RunDetailOut:
    """The best weights so far become the adapter; of a run that failed or was cancelled, by a new run (201).

    Twice is no error; 409 without a checkpoint, or when the run had already finished.
    """
    kept = runs.keep(services.session_factory, actor, run_id, queue=services.queue, settings=services.settings)
    run = runs.get_run(session, actor, kept.id)
    announce(session, services.wire, run)
    return _made(session, run, response) if run.id != run_id else detail_of(session, run)


@router.post("/retry", summary="Go on from the last checkpoint", status_code=201)
def retry_run(
    run_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    response: Response,
) -> RunDetailOut:
    """A new run goes on from the checkpoint of one that failed or was cancelled, or from the start without one.

    Twice gives the same new run; 409 when the run has not failed.
    """
    made = runs.retry(services.session_factory, actor, run_id, queue=services.queue, settings=services.settings)
    return _made(session, runs.get_run(session, actor, made.id), response)


@router.post("/again", summary="Run the same settings again", status_code=201)
def run_again(
    run_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    response: Response,
    suggestion: Annotated[str | None, Query(max_length=80, description="The key of one of its suggestions.")] = None,
    idempotency_key: Annotated[str | None, Header(max_length=80, pattern=r"^[\x21-\x7e]+$")] = None,
) -> RunDetailOut:
    """A new run from the start, with the settings of a suggestion if named; the same Idempotency-Key, the same run."""
    made = runs.run_again(
        session,
        actor,
        run_id,
        queue=services.queue,
        settings=services.settings,
        suggestion=suggestion,
        idempotency_key=idempotency_key,
        launch_with=spending.launch,
    )
    return _made(session, made, response)


def _made(session: CurrentSession, run: runs.Run, response: Response) -> RunDetailOut:
    response.status_code = 201
    response.headers["location"] = f"/api/runs/{run.id}"
    return detail_of(session, run)
