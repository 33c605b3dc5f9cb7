"""Ladders over JSON: start one, follow it, stop it, climb on."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import Field
from sqlalchemy.orm import Session

from app.api.models import In, Out, Page, page_of
from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, PageAfter, PageLimit
from app.live import announce
from studio import ladders
from studio.actors import Actor
from studio.errors import InvalidInput
from studio.ladders import DEFAULT_MIN_GAIN, SeenRung, Sight
from studio.runs import RunSpec

router = APIRouter(prefix="/ladders", tags=["ladders"])
_OF_ROW = ("id", "name", "status", "outcome", "min_gain", "hardware", "created_at")


class LadderIn(In):
    """A spec, whose budget is the cap of the whole ladder; `rungs` are keys of `GET /ladders/rungs`."""

    spec: RunSpec
    name: str = Field("", max_length=1000)
    rungs: list[str] | None = Field(None, max_length=20, description="From the smallest; the usual ones without it.")
    min_gain: float = Field(DEFAULT_MIN_GAIN, description="Share by which a rung must lower the validation loss.")
    hardware: str | None = Field(None, max_length=40, description="What rungs are estimated for, if a worker has it.")


class RungChoiceOut(Out):
    """A rung that a ladder can have."""

    key: str
    label: str
    is_usual: bool


class RungOut(Out):
    """One rung; what is not known is null, and a name of hardware empty.

    `gain` is the share by which it lowered the best validation loss before it, that of the untrained model included;
    `gain_per_dollar` and `gain_per_hour` that for what the rung alone took. `quality` is 1 for the best rung and 0 for
    the untrained model.
    """

    number: int
    label: str
    status: str
    run_id: str | None
    best_validation_loss: float | None
    gain: float | None
    gain_per_dollar: float | None
    gain_per_hour: float | None
    quality: float | None
    seconds: float
    dollars: float | None
    is_kept: bool
    estimated_for: str
    trained_on: str


class LadderOut(Out):
    """A ladder; `keep` says which rung to keep as far as one can tell yet, `outcome` why it ended.

    `notes` say why it climbed on without a gain, and where a rung had other hardware than `hardware`.
    """

    id: str
    name: str
    status: Literal["climbing", "done", "stopped"]
    outcome: str
    keep: str
    notes: list[str]
    min_gain: float
    hardware: str | None
    seconds: float
    dollars: float | None
    created_at: datetime
    rungs: list[RungOut]


@router.get("/rungs", summary="List the rungs that a ladder can have")
def list_rungs() -> list[RungChoiceOut]:
    """From the smallest to the largest."""
    return [RungChoiceOut.model_validate(choice) for choice in ladders.CHOICES]


@router.post("", status_code=201, summary="Start a ladder")
def start_ladder(
    wanted: LadderIn,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    response: Response,
    idempotency_key: Annotated[str | None, Header(max_length=64, pattern=r"^[\x21-\x7e]+$")] = None,
) -> LadderOut:
    """Launch its first rung; the others follow by themselves. The same Idempotency-Key gives the same ladder."""
    try:
        ladder = ladders.start_ladder(
            session,
            actor,
            wanted.spec,
            queue=services.queue,
            settings=services.settings,
            rungs=wanted.rungs,
            min_gain=wanted.min_gain,
            name=wanted.name,
            hardware_id=wanted.hardware,
            idempotency_key=idempotency_key,
        )
    except InvalidInput as error:
        raise _moved(error, "spec") from error
    response.headers["location"] = f"/api/ladders/{ladder.id}"
    return _told(ladders.sight_of(session, ladder))


@router.get("", summary="List ladders")
def list_ladders(
    session: CurrentSession, actor: CurrentActor, limit: PageLimit = 50, after: PageAfter = None
) -> Page[LadderOut]:
    """Newest first."""
    found = ladders.list_ladders(session, actor, limit=limit, after=after)
    return page_of([_told(sight) for sight in ladders.sights_of(session, found)], [one.id for one in found], limit)


@router.get("/{ladder_id}", summary="Show a ladder")
def show_ladder(ladder_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> LadderOut:
    """The ladder as it stands."""
    return _seen(session, actor, ladder_id)


@router.post("/{ladder_id}/stop", summary="Stop a ladder")
def stop_ladder(
    ladder_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    cancel_runs: Annotated[bool, Query(description="Cancel the rung that waits or trains, too.")] = False,
) -> LadderOut:
    """Climb no further. Twice is no error; 409 when it had already ended."""
    _, cancelled = ladders.stop_ladder(session, actor, ladder_id, cancel_runs=cancel_runs)
    for run in cancelled:
        announce(session, services.wire, run)
    return _seen(session, actor, ladder_id)


@router.post("/{ladder_id}/climb", summary="Climb on")
def climb_on(
    ladder_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    accepts: Annotated[
        str | None,
        Query(pattern="^[0-9a-f]{16}$", description="Key of the licences' statement that rungs to come accept."),
    ] = None,
) -> LadderOut:
    """Launch the next rung of a ladder that has ended. Twice is no error; 409 at the top.

    422 names what keeps the rung from its launch by its place, such as `rungs.1.license.accepted`.
    """
    number = ladders.sight_of(session, ladders.get_ladder(session, actor, ladder_id)).next_number
    try:
        ladders.climb_on(session, actor, ladder_id, queue=services.queue, settings=services.settings, accepts=accepts)
    except InvalidInput as error:
        raise _moved(error, f"rungs.{number}") from error
    return _seen(session, actor, ladder_id)


def _moved(error: InvalidInput, prefix: str) -> InvalidInput:
    """The same error at the names of the body or the answer, in which the fields of a spec stand below something."""
    below = RunSpec.model_fields
    fields = {f"{prefix}.{name}" if name.split(".")[0] in below else name: text for name, text in error.fields.items()}
    return InvalidInput(error.message, fields=fields, problems=error.problems)


def _seen(session: Session, actor: Actor, ladder_id: str) -> LadderOut:
    return _told(ladders.sight_of(session, ladders.get_ladder(session, actor, ladder_id)))


def _told(sight: Sight) -> LadderOut:
    beside = {
        "keep": sight.keep.sentence if sight.keep else "",
        "notes": sight.notes,
        "seconds": sight.spent.seconds,
        "dollars": sight.spent.dollars,
        "rungs": [_rung(rung) for rung in sight.rungs],
    }
    return LadderOut.model_validate({name: getattr(sight.ladder, name) for name in _OF_ROW} | beside)


def _rung(rung: SeenRung) -> RungOut:
    return RungOut(
        number=rung.standing.number,
        label=rung.standing.label,
        status=rung.standing.status,
        run_id=rung.run.id if rung.run else None,
        best_validation_loss=rung.standing.loss,
        gain=rung.worth.gain,
        gain_per_dollar=rung.worth.per_dollar,
        gain_per_hour=rung.worth.per_hour,
        quality=rung.quality,
        seconds=rung.standing.seconds,
        dollars=rung.standing.dollars,
        is_kept=rung.is_kept,
        estimated_for=rung.estimated_for,
        trained_on=rung.trained_on,
    )
