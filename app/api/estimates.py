"""Estimates over JSON: memory, time and money of a spec before anything runs, and what its licences ask."""

from fastapi import APIRouter
from pydantic import Field

from app.api.models import In, Out
from app.deps import CurrentActor, CurrentServices, CurrentSession
from studio import spending
from studio.runs import RunSpec
from studio.spending import Quote

router = APIRouter(prefix="/runs", tags=["runs"])


class EstimateIn(In):
    """A spec, and the hardware to estimate it for; without one that of a worker."""

    spec: RunSpec
    hardware: str | None = Field(None, max_length=40, description="An id of the hardware catalogue.")


class LicenseOut(Out):
    """What one licence says."""

    title: str
    license: str
    link: str
    sentences: tuple[str, ...]


class StatementOut(Out):
    """What the licences ask of the intended use; `key` is what `license.statement` of a spec accepts."""

    parts: tuple[LicenseOut, ...]
    warnings: tuple[str, ...]
    needs_acceptance: bool
    text: str
    key: str


class LicensesIn(In):
    """A spec whose licences are asked for."""

    spec: RunSpec


@router.post("/licenses", summary="Read what the licences ask")
def read_licenses(
    wanted: LicensesIn, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> StatementOut:
    """The statement that `license.accepted` of this spec accepts; nothing is stored."""
    statement = spending.license_statement(session, actor, wanted.spec, services.settings.models_root)
    return StatementOut.model_validate(statement)


@router.post("/estimate", summary="Estimate memory, time and money")
def estimate_run(wanted: EstimateIn, session: CurrentSession, actor: CurrentActor, services: CurrentServices) -> Quote:
    """The estimate with its range and source, what would be refused and what fits; nothing is stored."""
    return spending.quote(session, actor, wanted.spec, settings=services.settings, hardware_id=wanted.hardware)
