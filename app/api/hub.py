"""Datasets from the Hub over JSON."""

from fastapi import APIRouter
from pydantic import Field

from app.api.arrivals import ArrivalOut, arrival_out
from app.deps import CurrentActor, CurrentServices, CurrentSession
from studio import datasets
from studio.datasets import HubSource, Split

router = APIRouter(prefix="/datasets/hub", tags=["datasets"])


class HubIn(HubSource):
    """Which rows to fetch, and how they are to be read."""

    name: str | None = Field(None, description="Taken from the repository when absent.")
    mapping: dict[str, str] | None = Field(None, max_length=20, description="Target to column.")
    leave_out: bool = Field(False, description="Leave rows with problems out, up to half of the rows.")
    shares: Split = Field(Split(), description="How the rows are split, but for parts that are taken as they are.")

    @property
    def source(self) -> HubSource:
        """Which rows."""
        return HubSource(**self.model_dump(include=set(HubSource.model_fields)))


@router.post("", status_code=202, summary="Import a dataset of the Hub")
def fetch_from_hub(
    wanted: HubIn, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> ArrivalOut:
    """Fetch the Parquet files of a split and import them; follow it at the `url` of the answer."""
    sight = datasets.ask_hub(
        session,
        actor,
        wanted.source,
        queue=services.queue,
        name=wanted.name,
        mapping=wanted.mapping,
        split=wanted.shares,
        leave_out=wanted.leave_out,
    )
    return arrival_out(sight)
