"""What a run measured, said and answered, over JSON."""

from dataclasses import astuple
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse

from app.api.models import Out
from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath
from studio import runs

router = APIRouter(prefix="/runs", tags=["runs"])

_METRIC = r"^[A-Za-z0-9_./\-]{1,80}(,[A-Za-z0-9_./\-]{1,80}){0,19}$"
_LAST_STEP = 2**31 - 1


class SeriesOut(Out):
    """Histories by metric: [step, value, low, high, kind]; kind is num, nan, inf or -inf. `names` lists all there are.

    `cursor` continues them on the run's stream.
    """

    names: list[str]
    series: dict[str, list[tuple[int, float | None, float | None, float | None, str]]]
    cursor: str


class EventOut(Out):
    """Something that happened to a run."""

    seq: int
    kind: str
    message: str
    at: datetime


class AnswerOut(Out):
    """What the model answered to a held-out prompt at a step."""

    step: int
    position: int
    row_number: int
    prompt: str
    expected: str
    answer: str


@router.get("/{run_id}/series", summary="Read metrics")
def show_series(
    run_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    names: Annotated[str | None, Query(pattern=_METRIC, description="With commas; all when left out.")] = None,
    from_step: Annotated[int, Query(alias="from", ge=0, le=_LAST_STEP)] = 0,
    to_step: Annotated[int | None, Query(alias="to", ge=0, le=_LAST_STEP)] = None,
    points: Annotated[int, Query(ge=1, le=runs.MAX_POINTS)] = runs.MAX_POINTS,
) -> SeriesOut:
    """Histories, bucketed to at most `points` each with the lowest and highest value of every bucket kept."""
    run = runs.get_run(session, actor, run_id)
    known = runs.series_names(session, run)
    wanted = names.split(",") if names else known
    series = {
        name: [
            astuple(point)
            for point in runs.read_series(
                session, run, name, first_step=from_step, last_step=to_step, max_points=points
            )
        ]
        for name in wanted
    }
    return SeriesOut(names=known, series=series, cursor=str(run.last_seq))


@router.get("/{run_id}/events", summary="Read what happened")
def show_events(run_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> list[EventOut]:
    """Events of all attempts, oldest first."""
    found = runs.read_events(session, runs.get_run(session, actor, run_id))
    return [EventOut.model_validate(event) for event in found]


@router.get("/{run_id}/answers", summary="Read sample answers")
def show_answers(run_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> list[AnswerOut]:
    """Answers of the latest attempt, by prompt, then step."""
    found = runs.read_answers(session, runs.get_run(session, actor, run_id))
    return [AnswerOut.model_validate(answer) for answer in found]


@router.get("/{run_id}/log", summary="Read the log", response_class=PlainTextResponse)
def show_log(
    run_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> PlainTextResponse:
    """The end of the trainer's log of the latest attempt, at most 256 kB."""
    run = runs.get_run(session, actor, run_id)
    return PlainTextResponse(runs.read_log(services.settings.runs_dir, run.id, run.epoch))
