"""Should one fine-tune at all, over JSON: the questions, and the advice that follows from their answers."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy.orm import Session

from app.advice import advice_for
from app.api.models import In, Out
from app.deps import CurrentActor, CurrentServices, CurrentSession
from studio import datasets, runs, spending
from studio.actors import Actor
from studio.base_models import get_base_model, list_base_models
from studio.budget import guide
from studio.budget.advice import Goal, MethodAdvice
from studio.runs import RunSpec
from studio.settings import Settings

router = APIRouter(prefix="/guide", tags=["guide"])


class AnswerOut(Out):
    """One choice of a question."""

    value: str
    label: str


class QuestionOut(Out):
    """One question; `name` and a `value` go into `answers`."""

    name: str
    label: str
    hint: str
    answers: list[AnswerOut]


class AnswersIn(In):
    """A value for each question."""

    answers: dict[str, str] = Field(max_length=20)


class ReasonOut(Out):
    """Why an answer speaks for or against a way; `source` is the address of a paper, or empty."""

    question: str
    text: str
    source: str


class WayOut(Out):
    """A way, with what speaks for and against it; `is_out` when an answer forbids it."""

    way: guide.Way
    label: str
    is_out: bool
    pros: list[ReasonOut]
    cons: list[ReasonOut]
    next_step: str


class GuidanceOut(Out):
    """The ways from the best to the last; `doubt`, `together` and `turning` are sentences, or empty."""

    sentence: str
    ranking: list[WayOut]
    doubt: str
    together: str
    turning: list[str]
    always: str


class PlannedIn(In):
    """A run that is being planned, and the hardware of the catalogue to reckon with; a worker's without it."""

    spec: RunSpec
    hardware: str | None = Field(None, max_length=40)
    goal: Goal = Field("task", description="One task, its best quality, many tasks over one base, or new knowledge.")


class MethodAdviceOut(Out):
    """A method, with settings of a spec by dotted path to begin with; the sentences may be empty."""

    kind: str
    settings: dict[str, Any]
    sentence: str
    reasons: list[str]
    smaller: str
    smaller_model: str | None
    base_or_instruct: str


@router.get("", summary="List the guide's questions")
def list_questions() -> list[QuestionOut]:
    """The six questions with their choices."""
    return [QuestionOut.model_validate(question) for question in guide.QUESTIONS]


@router.post("", summary="Ask whether to fine-tune")
def advise(wanted: AnswersIn) -> GuidanceOut:
    """What to try first, with reasons; 422 names each question without an answer. Nothing is stored."""
    return GuidanceOut.model_validate(guide.advise(wanted.answers))


@router.post("/method", summary="Ask which method to begin with")
def advise_method(
    wanted: PlannedIn, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> MethodAdviceOut:
    """Method, starting point and the smallest model that may do, from rows, hardware and base model."""
    return _told(_advice(session, actor, services.settings, wanted))


def _advice(session: Session, actor: Actor, settings: Settings, wanted: PlannedIn) -> MethodAdvice:
    spec = wanted.spec
    return advice_for(
        spec,
        runs.preview(session, actor, spec),
        datasets.get_version(session, actor, spec.data.dataset_version_id),
        get_base_model(spec.base_model.id, settings.models_root),
        quote=spending.quote(session, actor, spec, settings=settings, hardware_id=wanted.hardware),
        catalogue=list_base_models(settings.models_root),
        goal=wanted.goal,
    )


def _told(advice: MethodAdvice) -> MethodAdviceOut:
    smaller = advice.smaller_fix.changes["base_model.id"] if advice.smaller_fix else None
    told = {name: getattr(advice, name) for name in MethodAdviceOut.model_fields if name != "smaller_model"}
    return MethodAdviceOut.model_validate(told | {"smaller_model": smaller})
