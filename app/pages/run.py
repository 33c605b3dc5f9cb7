"""One run: its page, the parts of it that refresh themselves, and its series."""

import csv
import io
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from sqlalchemy.orm import Session

from app.checklist import checklist_of
from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, Services
from app.pages._charts import CHARTS, loss_table, series_of
from app.pages._quoted import source_of, told_and_took
from app.pages._settings import settings_of
from app.pages._standing import status_context
from app.render import render
from studio import runs, spending

router = APIRouter(prefix="/runs/{run_id}")
_LAST_STEP = 2**31 - 1


@router.get("")
def show_run(
    request: Request, run_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> HTMLResponse:
    """The whole page. The run's row is read first, so that its stream goes on behind what the page shows."""
    run = runs.get_run(session, actor, run_id)
    return render(request, "runs/show.html", page_context(session, run, services) | {"cursor": run.last_seq})


@router.get("/status")
def show_status(request: Request, run_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> HTMLResponse:
    """Status, progress, numbers and outcome."""
    run = runs.get_run(session, actor, run_id)
    return render(request, "runs/_status.html", status_context(session, run) | {"is_fragment": True})


@router.get("/answers")
def show_answers(request: Request, run_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> HTMLResponse:
    """Sample answers by prompt."""
    run = runs.get_run(session, actor, run_id)
    return render(request, "runs/_answers.html", {"run": run, "prompts": _by_prompt(session, run)})


@router.get("/losses")
def show_losses(request: Request, run_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> HTMLResponse:
    """The table twin of the loss chart."""
    run = runs.get_run(session, actor, run_id)
    return render(request, "runs/_losses.html", {"run": run, "losses": loss_table(session, run)})


@router.get("/checklist")
def show_checklist(
    request: Request, run_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> HTMLResponse:
    """What was done before, during and after, as far as facts tell."""
    run = runs.get_run(session, actor, run_id)
    checklist = checklist_of(session, run, services.settings.models_root)
    return render(request, "runs/_checklist.html", {"run": run, "checklist": checklist})


@router.get("/log")
def show_log(
    request: Request, run_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> HTMLResponse:
    """The end of the trainer's log, and what happened to the run."""
    run = runs.get_run(session, actor, run_id)
    return render(request, "runs/_log.html", _log_context(session, run, services))


@router.get("/log.txt")
def download_log(
    run_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> PlainTextResponse:
    """The same log as text."""
    run = runs.get_run(session, actor, run_id)
    return PlainTextResponse(runs.read_log(services.settings.runs_dir, run.id, run.epoch))


@router.get("/series")
def show_series(
    run_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    first_step: Annotated[int, Query(alias="from", ge=0, le=_LAST_STEP)] = 0,
    last_step: Annotated[int | None, Query(alias="to", ge=0, le=_LAST_STEP)] = None,
    points: Annotated[int, Query(ge=1, le=runs.MAX_POINTS)] = runs.MAX_POINTS,
) -> JSONResponse:
    """Every metric's history between two steps: `[step, value or null, low, high, kind]`, all there is up to `seq`."""
    run = runs.get_run(session, actor, run_id)
    body = {
        "series": series_of(session, run, first_step=first_step, last_step=last_step, max_points=points),
        "seq": run.last_seq,
        "best_step": run.best_step,
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


@router.get("/series.csv")
def download_series(run_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> Response:
    """The same as CSV."""
    run = runs.get_run(session, actor, run_id)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["metric", "step", "value"])
    for name, points in series_of(session, run).items():
        writer.writerows([name, step, kind if value is None else value] for step, value, _, _, kind in points)
    headers = {"Content-Disposition": f'attachment; filename="{run.id}.csv"'}
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


@router.get("/spec.yaml")
def download_spec(run_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> Response:
    """The run's spec."""
    run = runs.get_run(session, actor, run_id)
    headers = {"Content-Disposition": f'attachment; filename="{run.id}.yaml"'}
    return Response(run.run_spec.to_yaml(), media_type="application/yaml", headers=headers)


def page_context(session: Session, run: runs.Run, services: Services) -> dict[str, Any]:
    """Everything that the whole page draws, but for the cursor of its stream."""
    return {
        **status_context(session, run),
        **_log_context(session, run, services),
        "charts": CHARTS,
        "prompts": _by_prompt(session, run),
        "losses": loss_table(session, run),
        "settings": settings_of(run),
        "checklist": checklist_of(session, run, services.settings.models_root),
        "told": told_and_took(run, spending.spent(session, run)),
        "told_from": source_of(run),
    }


def _log_context(session: Session, run: runs.Run, services: Services) -> dict[str, Any]:
    return {
        "run": run,
        "events": runs.read_events(session, run),
        "log": runs.read_log(services.settings.runs_dir, run.id, run.epoch, max_bytes=32_000),
    }


def _by_prompt(session: Session, run: runs.Run) -> list[list[runs.SampleAnswer]]:
    """Answers grouped by prompt, each group in the order of steps."""
    groups: dict[int, list[runs.SampleAnswer]] = {}
    for answer in runs.read_answers(session, run):
        groups.setdefault(answer.position, []).append(answer)
    return list(groups.values())
