"""Base models over JSON."""

from fastapi import APIRouter

from app.deps import CurrentServices
from studio import base_models
from studio.licenses import LicenseFacts, find_license

router = APIRouter(prefix="/base-models", tags=["base models"])


class BaseModelOut(base_models.BaseModelFacts):
    """A base model; `license_facts` is what its licence says, null where that is not known."""

    license_facts: LicenseFacts | None


@router.get("", summary="List base models")
def list_base_models(services: CurrentServices) -> list[BaseModelOut]:
    """The demo, the folders under the models root and the curated list; any other Hub id may be used too."""
    found = base_models.list_base_models(services.settings.models_root)
    return [BaseModelOut(**facts.model_dump(), license_facts=find_license(facts.license)) for facts in found]
