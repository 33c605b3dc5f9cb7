"""Checks of a dataset over JSON: ask for them, follow them, read what they found."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from app.api.models import Out
from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, VersionNumber
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


class CheckupOut(Out):
    """A checkup of a version; `checks` is empty until it is done."""

    id: str
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    phase: str
    done: int
    total: int
    problem: str
    health: dict[str, int]
    checks: list[CheckOut]


class FindingsOut(Out):
    """A page of findings; `count` counts all of them."""

    findings: list[FindingOut]
    count: int


@router.get("", summary="Show the checks")
def show_checks(
    dataset_id: IdInPath, session: CurrentSession, actor: CurrentActor, number: VersionNumber = None
) -> CheckupOut:
    """The newest checkup of a version; 404 while none was asked for."""
    version = datasets.pick_version(datasets.get_dataset(session, actor, dataset_id), number)
    return _out(_asked(datasets.checkup_of(session, actor, version)))


@router.post("", status_code=202, summary="Check a dataset")
def check(
    dataset_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    number: VersionNumber = None,
) -> CheckupOut:
    """Check a version, again if it was; one that is going on is shown instead."""
    version = datasets.pick_version(datasets.get_dataset(session, actor, dataset_id), number)
    return _out(datasets.ask_checkup(session, actor, version, queue=services.queue, again=True))


@router.delete("", summary="Stop checking")
def stop(
    dataset_id: IdInPath, session: CurrentSession, actor: CurrentActor, number: VersionNumber = None
) -> CheckupOut:
    """Stop the checkup; one that is over stays as it is."""
    version = datasets.pick_version(datasets.get_dataset(session, actor, dataset_id), number)
    return _out(chores.cancel(session, actor, _asked(datasets.checkup_of(session, actor, version)).id))


@router.get("/{check_name}/rows", summary="List what a check found")
def show_findings(
    dataset_id: IdInPath,
    check_name: str,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    start: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    number: VersionNumber = None,
) -> FindingsOut:
    """Findings from the `start`-th (from 0), in the order of the rows; 404 when they are not kept any more."""
    version = datasets.pick_version(datasets.get_dataset(session, actor, dataset_id), number)
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
    found = {"health": {}, "checks": []} | chore.result
    return CheckupOut(
        id=chore.id,
        status=chore.status,
        phase=chore.phase,
        done=chore.done,
        total=chore.total,
        problem=chore.problem,
        health=found["health"],
        checks=[CheckOut.model_validate(check) for check in found["checks"]],
    )
