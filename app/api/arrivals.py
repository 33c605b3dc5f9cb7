"""Files on their way to be datasets, over JSON: follow them, say how they are to be read, stop them."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from app.api.models import In, Out
from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath
from studio import datasets
from studio.datasets import ArrivalSight, MappingNeeded, RowsRefused
from studio.errors import InvalidInput

router = APIRouter(prefix="/datasets/arrivals", tags=["datasets"])


class RefusalOut(Out):
    """Why a file was refused; `columns` are those to map, and `good_rows` could be imported without the others."""

    code: str
    message: str
    fields: dict[str, str]
    problems: list[str]
    columns: dict[str, list[str]]
    good_rows: int


class ArrivalOut(Out):
    """A file on its way; `done` of `total` are bytes, and `dataset_id` is there once it is a dataset."""

    id: str
    status: Literal["queued", "running", "done", "refused", "failed", "cancelled"]
    url: str
    name: str
    file_name: str
    phase: str
    done: int
    total: int
    problem: str
    refusal: RefusalOut | None
    dataset_id: str | None
    created_at: datetime


class GoOnIn(In):
    """How the file is to be read this time; without a mapping, as it was said before."""

    mapping: dict[str, str] | None = Field(None, max_length=20, description="Target to column.")
    leave_out: bool = Field(False, description="Leave rows with problems out, up to half of the rows.")


@router.get("", summary="List imports")
def list_arrivals(session: CurrentSession, actor: CurrentActor) -> list[ArrivalOut]:
    """Files that are no dataset yet, newest first."""
    return [arrival_out(sight) for sight in datasets.list_arrivals(session, actor)]


@router.get("/{arrival_id}", summary="Show an import")
def show_arrival(arrival_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> ArrivalOut:
    """How far it is, and in the end the dataset or why there is none; kept for a week."""
    return arrival_out(datasets.get_arrival(session, actor, arrival_id))


@router.post("/{arrival_id}", status_code=202, summary="Go on with an import")
def go_on(
    arrival_id: IdInPath, wanted: GoOnIn, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> ArrivalOut:
    """Import the kept file again, read as it is said here; 409 while it is at work or where it is not kept."""
    mapping, leave_out = wanted.mapping, wanted.leave_out
    return arrival_out(
        datasets.go_on(session, actor, arrival_id, queue=services.queue, mapping=mapping, leave_out=leave_out)
    )


@router.delete("/{arrival_id}", summary="Stop an import")
def stop(arrival_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices) -> ArrivalOut:
    """Stop it; one that is over already is removed with its file."""
    sight = datasets.get_arrival(session, actor, arrival_id)
    if not sight.chore.is_over:
        return arrival_out(datasets.cancel_import(session, actor, arrival_id))
    datasets.forget_arrival(session, actor, arrival_id, storage=services.storage)
    return arrival_out(sight)


def arrival_out(sight: ArrivalSight) -> ArrivalOut:
    """An arrival as it is told."""
    arrival, chore = sight.arrival, sight.chore
    return ArrivalOut(
        id=arrival.id,
        status=sight.status,
        url=f"/api/datasets/arrivals/{arrival.id}",
        name=arrival.name,
        file_name=sight.file_name,
        phase=chore.phase,
        done=chore.done,
        total=chore.total,
        problem=chore.problem,
        refusal=_refusal_out(sight),
        dataset_id=arrival.dataset_id,
        created_at=arrival.created_at,
    )


def _refusal_out(sight: ArrivalSight) -> RefusalOut | None:
    error = sight.refusal
    if error is None:
        return None
    known = error if isinstance(error, InvalidInput) else None
    return RefusalOut(
        code=error.code,
        message=error.message,
        fields=known.fields if known else {},
        problems=known.problems if known else [],
        columns=error.columns if isinstance(error, MappingNeeded) else {},
        good_rows=error.good_rows if isinstance(error, RowsRefused) else 0,
    )
