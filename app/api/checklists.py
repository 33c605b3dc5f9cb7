"""The checklist of a run over JSON."""

from typing import Literal

from fastapi import APIRouter

from app.api.models import Out
from app.checklist import checklist_of
from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath
from studio import runs

router = APIRouter(prefix="/runs", tags=["runs"])


class LineOut(Out):
    """One line: `done` where a fact says so, `unknown` where there is no fact."""

    key: str
    label: str
    state: Literal["done", "open", "unknown"]
    fact: str


class GroupOut(Out):
    """The lines of a time: before, during or after the run."""

    title: str
    done: int
    lines: tuple[LineOut, ...]


@router.get("/{run_id}/checklist", summary="Show a run's checklist")
def show_checklist(
    run_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> list[GroupOut]:
    """What a careful person does before, during and after, as far as facts tell."""
    run = runs.get_run(session, actor, run_id)
    return [GroupOut.model_validate(one) for one in checklist_of(session, run, services.settings.models_root)]
