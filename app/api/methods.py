"""Methods and recipes over JSON: what a run spec may say, and where to start from."""

from typing import Any

from fastapi import APIRouter

from app.api.models import Out
from studio import runs
from studio.methods import METHODS

router = APIRouter()


class MethodOut(Out):
    """A method; `kind` and the fields of `json_schema` go into a spec's `method`."""

    kind: str
    label: str
    hint: str
    paper: str
    artifact: str
    mergeable: bool
    default_learning_rate: float
    defaults: dict[str, Any]
    json_schema: dict[str, Any]


class RecipeOut(Out):
    """A named starting point: the parts of a run spec that it sets."""

    id: str
    label: str
    hint: str
    parts: dict[str, Any]


@router.get("/methods", tags=["methods"], summary="List methods")
def list_methods() -> list[MethodOut]:
    """Every way to change weights, with its defaults."""
    return [
        MethodOut(
            kind=kind,
            label=method.label,
            hint=method.hint,
            paper=method.paper,
            artifact=method.artifact,
            mergeable=method.mergeable,
            default_learning_rate=method.default_learning_rate,
            defaults=method().model_dump(mode="json"),
            json_schema=method.model_json_schema(),
        )
        for kind, method in METHODS.items()
    ]


@router.get("/recipes", tags=["runs"], summary="List recipes")
def list_recipes() -> list[RecipeOut]:
    """Named starting points for a spec."""
    return [RecipeOut.model_validate(recipe) for recipe in runs.RECIPES]
