"""Adapters over JSON; their archives are in app.downloads."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import computed_field

from app.api.models import Out, Page, page_of
from app.deps import CurrentActor, CurrentSession, IdInPath, PageAfter, PageLimit
from studio import adapters

router = APIRouter(prefix="/adapters", tags=["adapters"])


class AdapterOut(Out):
    """A finished result; `sha256` is that of its archive."""

    id: str
    run_id: str
    name: str
    kind: str
    method: str
    base_model: str
    base_revision: str | None
    step: int
    validation_loss: float | None
    trained_parameters: int
    sha256: str
    size_bytes: int
    file_name: str
    files: list[dict[str, Any]]
    created_at: datetime

    @computed_field  # type: ignore[prop-decorator]
    @property
    def archive_url(self) -> str:
        """Where the zip is."""
        return f"/api/adapters/{self.id}/archive"


@router.get("", summary="List adapters")
def list_adapters(
    session: CurrentSession, actor: CurrentActor, limit: PageLimit = 50, after: PageAfter = None
) -> Page[AdapterOut]:
    """Newest first."""
    found = adapters.list_adapters(session, actor, limit=limit, after=after)
    return page_of([AdapterOut.model_validate(adapter) for adapter in found], [row.id for row in found], limit)


@router.get("/{adapter_id}", summary="Show an adapter")
def show_adapter(adapter_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> AdapterOut:
    """What is known of it, with the list of its files."""
    return AdapterOut.model_validate(adapters.get_adapter(session, actor, adapter_id))
