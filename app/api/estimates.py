"""Estimates over JSON: memory, time and money of a spec before anything runs."""

from fastapi import APIRouter
from pydantic import Field

from app.api.models import In
from app.deps import CurrentActor, CurrentServices, CurrentSession
from studio import spending
from studio.runs import RunSpec
from studio.spending import Quote

router = APIRouter(prefix="/runs", tags=["runs"])


class EstimateIn(In):
    """A spec, and the hardware to estimate it for; without one that of a worker."""

    spec: RunSpec
    hardware: str | None = Field(None, max_length=40, description="An id of the hardware catalogue.")


@router.post("/estimate", summary="Estimate memory, time and money")
def estimate_run(wanted: EstimateIn, session: CurrentSession, actor: CurrentActor, services: CurrentServices) -> Quote:
    """The estimate with its range and source, what would be refused and what fits; nothing is stored."""
    return spending.quote(session, actor, wanted.spec, settings=services.settings, hardware_id=wanted.hardware)
