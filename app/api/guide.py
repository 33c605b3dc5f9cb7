"""Should one fine-tune at all, over JSON: the questions, and the advice that follows from their answers."""

from fastapi import APIRouter
from pydantic import Field

from app.api.models import In, Out
from studio.budget import guide

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


@router.get("", summary="List the guide's questions")
def list_questions() -> list[QuestionOut]:
    """The six questions with their choices."""
    return [QuestionOut.model_validate(question) for question in guide.QUESTIONS]


@router.post("", summary="Ask whether to fine-tune")
def advise(wanted: AnswersIn) -> GuidanceOut:
    """What to try first, with reasons; 422 names each question without an answer. Nothing is stored."""
    return GuidanceOut.model_validate(guide.advise(wanted.answers))
