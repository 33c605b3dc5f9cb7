"""Should you fine-tune at all: six questions, and the way to try first."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.forms import flat
from app.pages._entered import GOAL_FIELD
from app.render import render
from studio.base_models import BaseModelFacts, curated
from studio.budget.advice import Goal, MethodAdvice, advise_method, smallest_model
from studio.budget.guide import QUESTIONS, Guidance, advise, known_answers

router = APIRouter(prefix="/guide")
# What a choice stands for where a number of rows is needed.
_ROWS = {"some": 300, "many": 3_000, "text": 20_000}
_TRAINED = ("fine_tune", "pretrain")


@router.get("")
def show_guide(request: Request) -> HTMLResponse:
    """The questions, answered as far as the address says, and the advice once all are."""
    return render(request, "guide/show.html", _context(request.query_params))


@router.get("/advice")
def show_advice(request: Request) -> HTMLResponse:
    """The advice alone, while a person answers."""
    return render(request, "guide/_advice.html", _context(request.query_params))


def _context(given: Mapping[str, str]) -> dict[str, Any]:
    answers = known_answers(given)
    guidance = advise(answers) if len(answers) == len(QUESTIONS) else None
    return {
        "questions": QUESTIONS,
        "answers": answers,
        "guidance": guidance,
        **_training(guidance, answers),
    }


def _training(guidance: Guidance | None, answers: Mapping[str, str]) -> dict[str, Any]:
    """Model and method to begin with, where training is advised, and the address of a form that is filled with them."""
    if guidance is None or guidance.first.way not in _TRAINED:
        return {"base_model": None, "method": None, "launch_query": ""}
    goal: Goal = "task" if answers["learn"] == "behaviour" else "knowledge"
    base_model = smallest_model(curated(), goal)
    is_text = guidance.first.way == "pretrain"
    method = advise_method(base_model, rows=_ROWS[answers["examples"]], fits={}, goal=goal, is_plain_text=is_text)
    return {
        "base_model": base_model,
        "method": method,
        "launch_query": _query(base_model, method, goal, "everything" if is_text else "answers"),
    }


def _query(base_model: BaseModelFacts, method: MethodAdvice, goal: Goal, train_on: str) -> str:
    parts: dict[str, dict[str, Any]] = {"base_model": {"id": base_model.id}, "data": {"train_on": train_on}}
    for name, value in method.settings.items():
        part, _, field = name.partition(".")
        if value is not None:
            parts.setdefault(part, {})[field] = value
    return urlencode(flat(parts) | {GOAL_FIELD: goal})
