"""Runs over JSON: plan, launch, look."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError
from sqlalchemy.orm import Session

from app.alerts import ShownAlert, alerts_of
from app.api.models import In, Out, Page, RenameIn, page_of
from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, PageAfter, PageLimit
from studio import adapters, runs, spending
from studio.budget.capping import Spent
from studio.errors import InvalidInput, UnsupportedFile
from studio.ids import ID_PATTERN
from studio.runs import RunSpec
from studio.runs.status import Status

router = APIRouter(prefix="/runs", tags=["runs"])

_YAML_TYPES = {"application/yaml", "application/x-yaml", "text/yaml"}
_LAUNCHED: dict[str, Any] = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {"$ref": "#/components/schemas/RunSpec"},
        "name": {"type": "string"},
        "parent_run_id": {"type": "string"},
        "hardware": {"type": "string", "description": "What it is estimated for; else what a worker has."},
    },
}
LAUNCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _LAUNCHED},
            "application/yaml": {"schema": {"type": "string"}},
        },
    }
}


class LaunchIn(In):
    """A run to launch."""

    spec: RunSpec
    name: str = Field("", max_length=1000)
    parent_run_id: str | None = Field(None, pattern=ID_PATTERN.pattern)
    hardware: str | None = Field(None, max_length=40)


class PlanIn(In):
    """A spec to count steps of."""

    spec: RunSpec


class PlanOut(Out):
    """What a spec comes to, before anything runs."""

    train_rows: int
    validation_rows: int
    test_rows: int
    effective_batch: int
    steps_per_epoch: int
    steps: int
    evaluate_every: int
    evaluations: int
    learning_rate: float


class RunOut(Out):
    """A run as it stands."""

    id: str
    name: str
    status: str
    status_words: str
    desired: str
    phase: str
    phase_words: str
    phase_note: str
    method: str
    base_model: str
    dataset_version_id: str
    parent_run_id: str | None
    kind: str
    attempt: int
    step: int
    total_steps: int
    seconds_left: float | None
    tokens_per_second: float | None
    peak_memory_bytes: float | None
    initial_validation_loss: float | None
    best_validation_loss: float | None
    best_step: int | None
    last_train_loss: float | None
    last_validation_loss: float | None
    failure_kind: str | None
    failure_sentence: str
    failure_advice: str
    failure_reason: str
    created_at: datetime
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    is_over: bool
    is_paused: bool
    checkpoint_step: int | None
    resume_note: str
    stopped_by: str | None
    seconds_saved: float | None
    spent_seconds: float = 0.0
    spent_dollars: float | None = None
    adapter_id: str | None = None


class SuggestionOut(Out):
    """Other settings that may get past a failure; `POST /runs/{id}/again?suggestion={key}` launches them."""

    key: str
    label: str
    why: str


class AlertOut(Out):
    """Something that the curves show; its suggestions are launched as those of a failure."""

    kind: str
    severity: str
    step: int
    title: str
    cause: str
    next_step: str
    suggestions: tuple[SuggestionOut, ...] = ()


class RunDetailOut(RunOut):
    """A run with its spec, what the trainer made of it, and what can be done next."""

    spec: dict[str, Any]
    resolved: dict[str, Any]
    trial: dict[str, Any]
    license_statement: str
    actions: tuple[runs.Action, ...] = ()
    suggestions: tuple[SuggestionOut, ...] = ()
    alerts: tuple[AlertOut, ...] = ()


async def read_launch(request: Request) -> LaunchIn:
    """A launch in JSON, or a bare spec in YAML with `name`, `parent_run_id` and `hardware` in the query."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if content_type in _YAML_TYPES:
        return _launch_of_yaml(body, request.query_params)
    if content_type == "application/json":
        return _launch(lambda: LaunchIn.model_validate_json(body))
    raise UnsupportedFile("Send the run as application/json, or its spec as application/yaml.")


@router.post("", status_code=201, summary="Launch a run", openapi_extra=LAUNCH_BODY)
def launch_run(
    wanted: Annotated[LaunchIn, Depends(read_launch)],
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    response: Response,
    idempotency_key: Annotated[str | None, Header(max_length=80, pattern=r"^[\x21-\x7e]+$")] = None,
) -> RunDetailOut:
    """Queue a run with its estimate; the same Idempotency-Key gives the same run.

    422 for a run that does not fit its hardware, a cap that leaves no step, or licences that are not accepted.
    """
    run = spending.launch(
        session,
        actor,
        wanted.spec,
        queue=services.queue,
        settings=services.settings,
        hardware_id=wanted.hardware,
        name=wanted.name,
        parent_run_id=wanted.parent_run_id,
        idempotency_key=idempotency_key,
    )
    response.headers["location"] = f"/api/runs/{run.id}"
    return detail_of(session, run)


@router.post("/plan", summary="Count what a run would do")
def plan_run(wanted: PlanIn, session: CurrentSession, actor: CurrentActor) -> PlanOut:
    """Rows, steps and evaluations of a spec; nothing is stored."""
    return PlanOut.model_validate(runs.preview(session, actor, wanted.spec))


@router.get("", summary="List runs")
def list_runs(
    session: CurrentSession,
    actor: CurrentActor,
    limit: PageLimit = 50,
    after: PageAfter = None,
    status: Annotated[list[Status] | None, Query()] = None,
    dataset_id: Annotated[str | None, Query(pattern=ID_PATTERN.pattern)] = None,
) -> Page[RunOut]:
    """Newest first; `status` may be given several times."""
    found = runs.list_runs(session, actor, limit=limit, after=after, statuses=status or (), dataset_id=dataset_id)
    made = adapters.adapter_ids(session, found)
    spent = spending.spent_by_run(session, [run.id for run in found])
    items = [
        RunOut.model_validate(run).model_copy(update={"adapter_id": made.get(run.id), **_spent(spent.get(run.id))})
        for run in found
    ]
    return page_of(items, [run.id for run in found], limit)


@router.get("/{run_id}", summary="Show a run")
def show_run(run_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> RunDetailOut:
    """The run as it stands, with its spec."""
    return detail_of(session, runs.get_run(session, actor, run_id))


@router.patch("/{run_id}", summary="Rename a run")
def rename_run(run_id: IdInPath, wanted: RenameIn, session: CurrentSession, actor: CurrentActor) -> RunDetailOut:
    """Give it another name; an empty one changes nothing."""
    return detail_of(session, runs.rename(session, actor, run_id, wanted.name))


@router.get("/{run_id}/spec.yaml", summary="Download the spec", response_class=Response)
def download_spec(run_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> Response:
    """The spec as YAML, ready to be launched again."""
    run = runs.get_run(session, actor, run_id)
    disposition = f'attachment; filename="{run.id}.yaml"'
    return Response(run.run_spec.to_yaml(), media_type="application/yaml", headers={"content-disposition": disposition})


def _launch_of_yaml(body: bytes, query: Mapping[str, str]) -> LaunchIn:
    try:
        spec = runs.spec_from_yaml(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidInput("A run spec in YAML is UTF-8 text.") from error
    beside = {name: query[name] for name in ("name", "parent_run_id", "hardware") if name in query}
    return _launch(lambda: LaunchIn.model_validate({"spec": spec, **beside}))


def _launch(read: Callable[[], LaunchIn]) -> LaunchIn:
    try:
        return read()
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_context=False)) from error


def detail_of(session: Session, run: runs.Run) -> RunDetailOut:
    """The run with what can be done to it."""
    adapter = adapters.adapter_of_run(session, run)
    has_checkpoint = runs.committed_checkpoint(session, run.id) is not None
    has_gone_on = runs.gone_on(session, run) is not None
    more = {
        "adapter_id": adapter.id if adapter else None,
        "actions": runs.allowed_actions(run, has_checkpoint=has_checkpoint, has_gone_on=has_gone_on),
        "suggestions": tuple(
            SuggestionOut.model_validate(one) for one in runs.suggestions_for(run.run_spec, run.failure_kind)
        ),
        "alerts": tuple(_alert_out(one) for one in alerts_of(session, run)),
        **_spent(spending.spent_by_run(session, [run.id]).get(run.id)),
    }
    return RunDetailOut.model_validate(run).model_copy(update=more)


def _spent(found: Spent | None) -> dict[str, Any]:
    """What the run itself held and cost, without runs that it goes on from."""
    return {"spent_seconds": found.seconds, "spent_dollars": found.dollars} if found else {}


def _alert_out(shown: ShownAlert) -> AlertOut:
    suggestions = tuple(SuggestionOut.model_validate(one) for one in shown.suggestions)
    return AlertOut(step=shown.step, suggestions=suggestions, **asdict(shown.told))
