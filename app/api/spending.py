"""What was spent, over JSON."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from app.api.models import Listed, Out
from app.deps import CurrentActor, CurrentSession
from studio import spending
from studio.spending import By

router = APIRouter(prefix="/spending", tags=["spending"])


class TotalOut(Out):
    """What one month, dataset, run, method or kind of hardware comes to."""

    key: str = Field(description="The month, an id, or the method; of hardware its id in the catalogue, else empty.")
    label: str
    runs: int
    seconds: float
    dollars: float | None = Field(description="Of the time that had a price; null where none had.")
    unpriced_seconds: float
    saved_seconds: float = Field(description="What early stopping left unspent.")
    saved_dollars: float | None


@router.get("", summary="What was spent")
def list_spending(
    session: CurrentSession,
    actor: CurrentActor,
    by: Annotated[By, Query()] = "month",
    month: Annotated[str | None, Query(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Listed[TotalOut]:
    """Hours and dollars, of all time or of a month (UTC); an attempt counts in the month in which it ended."""
    found = spending.totals(session, actor, by, month=month, limit=limit)
    return Listed(items=[TotalOut.model_validate(total) for total in found])
