"""The system page over JSON."""

from datetime import datetime

from fastapi import APIRouter, Request

from app.api.models import Out
from app.deps import CurrentActor, CurrentServices, CurrentSession
from app.health import housekeeping_age
from studio import house
from studio.runs import Run

router = APIRouter(prefix="/system", tags=["system"])


class WorkerOut(Out):
    """A worker; `is_silent` says that it was not heard of for a minute."""

    owner: str
    host: str
    version: str
    gpu: str | None
    device: str
    note: str
    run_id: str | None
    started_at: datetime
    seconds_silent: float
    is_silent: bool


class QueuedOut(Out):
    """A run that is not over."""

    id: str
    name: str
    status: str
    queued_at: datetime


class CheckOut(Out):
    """What `tunewright fsck` found when it ran last."""

    at: datetime
    findings: int


class SystemOut(Out):
    """Workers, queue, disk and parts; `redis` is null where none is configured."""

    version: str
    workers: list[WorkerOut]
    running: list[QueuedOut]
    waiting: list[QueuedOut]
    paused: list[QueuedOut]
    storage_bytes: dict[str, int]
    free_bytes: int
    database: str
    redis: bool | None
    housekeeping_age_seconds: float | None
    last_check: CheckOut | None


@router.get("", summary="Show workers, queue and storage")
def show_system(request: Request, session: CurrentSession, actor: CurrentActor, services: CurrentServices) -> SystemOut:
    """Storage is measured at most twice a minute."""
    queue = house.read_queue(session, actor)
    usage = request.app.state.usage.read()
    last = house.last_check(services.settings)
    return SystemOut(
        version=request.app.version,
        workers=[_worker(sight) for sight in house.list_workers(session, actor)],
        running=_runs(queue.running),
        waiting=_runs(queue.waiting),
        paused=_runs(queue.paused),
        storage_bytes=usage.size_bytes,
        free_bytes=usage.free_bytes,
        database=session.get_bind().dialect.name,
        redis=services.wire.answers() if services.settings.redis_url else None,
        housekeeping_age_seconds=housekeeping_age(request),
        last_check=CheckOut(at=last.moment, findings=last.findings) if last else None,
    )


def _worker(sight: house.WorkerSight) -> WorkerOut:
    worker = sight.worker
    return WorkerOut(
        owner=worker.owner,
        host=worker.host,
        version=worker.version,
        gpu=worker.gpu,
        device=worker.device,
        note=worker.note,
        run_id=worker.run_id if sight.run_name else None,
        started_at=worker.started_at,
        seconds_silent=round(sight.seconds_silent, 1),
        is_silent=sight.is_silent,
    )


def _runs(found: list[Run]) -> list[QueuedOut]:
    return [QueuedOut.model_validate(run) for run in found]
