"""Base models over JSON."""

from fastapi import APIRouter

from app.deps import CurrentServices
from studio import base_models

router = APIRouter(prefix="/base-models", tags=["base models"])


@router.get("", summary="List base models")
def list_base_models(services: CurrentServices) -> list[base_models.BaseModelFacts]:
    """The demo, the folders under the models root and the curated list; any other Hub id may be used too."""
    return base_models.list_base_models(services.settings.models_root)
