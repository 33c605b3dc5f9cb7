"""Checks of a dataset over JSON: ask for them, follow them, read what they found."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from app.api.models import ChoreOut, Out, told
from app.deps import CurrentActor, CurrentServices, CurrentSession, PickedVersion
from studio import chores, datasets
from studio.chores import Chore
from studio.errors import NotFound

router = APIRouter(prefix="/datasets/{dataset_id}/checks", tags=["datasets"])


class FindingOut(Out):
    """One row that a check found; `other` is the row it collides with and `group` the first of its kind, or 0."""

    row: int
    detail: str
    other: int
    group: int


class CheckOut(Out):
    """What one check found: how many rows, the first three of them, and in words what to do."""

    name: str
    title: str
    severity: Literal["blocker", "warning", "note"]
    explanation: str
    advice: str
    fixes: list[str]
    count: int
    first: list[FindingOut]
    facts: dict[str, Any]


class CheckupOut(ChoreOut):
    """A checkup of a version; `checks` is empty until it is done."""

    health: dict[str, int]
    checks: list[CheckOut]


class FindingsOut(Out):
    """A page of findings; `count` counts all of them."""

    findings: list[FindingOut]
    count: int


@router.get("", summary="Show the checks")
def show_checks(version: PickedVersion, session: CurrentSession, actor: CurrentActor) -> CheckupOut:
    """The newest checkup of a version; 404 while none was asked for."""
    return _out(_asked(datasets.checkup_of(session, actor, version)))


@router.post("", status_code=202, summary="Check a dataset")
def check(
    version: PickedVersion, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> CheckupOut:
    """Check a version, again if it was; one that is going on is shown instead."""
    return _out(datasets.ask_checkup(session, actor, version, queue=services.queue, again=True))


@router.delete("", summary="Stop checking")
def stop(version: PickedVersion, session: CurrentSession, actor: CurrentActor) -> CheckupOut:
    """Stop the checkup; one that is over stays as it is."""
    return _out(chores.cancel(session, actor, _asked(datasets.checkup_of(session, actor, version)).id))


@router.get("/{check_name}/rows", summary="List what a check found")
def show_findings(
    version: PickedVersion,
    check_name: str,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    start: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> FindingsOut:
    """Findings from the `start`-th (from 0), in the order of the rows; 404 when they are not kept any more."""
    checkup = _out(_asked(datasets.checkup_of(session, actor, version)))
    known = next((check for check in checkup.checks if check.name == check_name), None)
    if known is None:
        raise NotFound("There is no such check of this dataset.")
    found = datasets.read_findings(services.settings.cache_dir, version, check_name, start=start, limit=limit)
    if found is None:
        raise NotFound("The list of rows is not kept any more. Check the dataset again.")
    return FindingsOut(findings=[FindingOut.model_validate(finding) for finding in found], count=known.count)


def _asked(chore: Chore | None) -> Chore:
    if chore is None:
        raise NotFound("This dataset was not checked yet.")
    return chore


def _out(chore: Chore) -> CheckupOut:
    return CheckupOut.model_validate(told(chore) | {"health": {}, "checks": []} | chore.result)
